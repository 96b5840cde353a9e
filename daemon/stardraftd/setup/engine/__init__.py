"""llama.cpp built for this computer: which builds are tried in which order, built, proved, and put to use.

Two use it: `make`, from the checkout and before anything is installed, so everything here but `store` imports
the standard library only; and `stardraft setup engine`, which is carried out in stardraftd/cli.

ladder.py knows the builds; compilers.py, processor.py and toolkits.py what is here; sources.py and tools.py
what a build needs, building.py makes a wheel of it (wheels.py), kept by what it was made with (keys.py);
climbing.py tries one after the other and has each proved; store.py has the builds of `stardraft setup engine`
and which of them an installation uses.
"""
