"""What people paste of the Hub's pages is understood, and what is no model's file is refused."""

import pytest

from stardraftd.errors import RequestError
from stardraftd.models.catalogue import OnHub, read_name

FILE = OnHub("O/R", "F.gguf")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("https://huggingface.co/O/R/blob/main/F.gguf", FILE),
        ("https://huggingface.co/O/R/resolve/main/F.gguf", FILE),
        ("https://huggingface.co/O/R/resolve/main/F.gguf?download=true", FILE),
        ("https://huggingface.co/O/R/raw/main/F.gguf#L1", FILE),
        ("HTTPS://HuggingFace.co/O/R/blob/main/F.gguf", FILE),
        ("http://www.huggingface.co/O/R/blob/main/F.gguf", FILE),
        ("huggingface.co/O/R/blob/main/F.gguf", FILE),
        ("hf.co/O/R/blob/main/F.gguf", FILE),
        ("hf://O/R/F.gguf", FILE),
        ("hf://O/R@v1/a/F.gguf", OnHub("O/R", "a/F.gguf", "v1")),
        (" https://huggingface.co/O/R/blob/main/F.gguf\n", FILE),
        ("https://huggingface.co/O/R/blob/v1.0/a/b/F%20x.gguf", OnHub("O/R", "a/b/F x.gguf", "v1.0")),
        ("https://huggingface.co/O/R/blob/refs%2Fpr%2F1/F.gguf", OnHub("O/R", "F.gguf", "refs/pr/1")),
        (f"https://huggingface.co/O/R/blob/{'a' * 40}/F.gguf", OnHub("O/R", "F.gguf", "a" * 40)),
    ],
)
def test_the_address_of_a_files_page_is_the_file(text: str, meant: OnHub) -> None:
    assert read_name(text) == meant


def test_a_mirrors_address_is_the_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="not an address of the Hugging Face Hub"):
        read_name("https://mirror.example/O/R/blob/main/F.gguf")
    monkeypatch.setenv("HF_ENDPOINT", "https://Mirror.example/")
    assert read_name("https://mirror.example/O/R/blob/main/F.gguf") == FILE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://huggingface.co/O/R", "a repository's address"),
        ("https://huggingface.co/O/R/tree/main", "a repository's address"),
        ("https://huggingface.co/O/R/blob/main", "a repository's address"),
        ("https://huggingface.co/O", "not a model's address"),
        ("https://huggingface.co/", "not a model's address"),
        ("https://huggingface.co/datasets/O/R/blob/main/F.gguf", "not a model's address"),
        ("https://huggingface.co/O/R/blob/main/README.md", "does not name a GGUF"),
        ("https://huggingface.co/O/R/blob/main/..%2F..%2FF.gguf", "does not name a GGUF"),
        ("https://huggingface.co/O/R/blob/main/F-00001-of-00003.gguf", "split over several files"),
        ("https://huggingface.co/O/R/blob/a%00b/F.gguf", "no branch, tag or commit"),
        (
            "https://evil.example/huggingface.co/O/R/blob/main/F.gguf",
            "not an address of the Hugging Face Hub",
        ),
        ("https://[huggingface.co/O/R/blob/main/F.gguf", "not an address"),
        ("ftp://elsewhere/F.gguf", "not an address of the Hugging Face Hub"),
    ],
)
def test_another_address_is_refused_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as refused:
        read_name(text)
    assert refused.value.hint
