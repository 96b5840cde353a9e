//! Tells Zed how stardraft's language server is started: that is all that an extension has to do.

use zed_extension_api::{self as zed, Command, LanguageServerId, Result, Worktree};

/// The program, and its arguments.
const COMMAND: &[&str] = &["stardraft", "lsp"];

struct Stardraft;

impl zed::Extension for Stardraft {
    fn new() -> Self {
        Self
    }

    fn language_server_command(
        &mut self,
        _server: &LanguageServerId,
        worktree: &Worktree,
    ) -> Result<Command> {
        let program = if COMMAND[0].contains('/') || COMMAND[0].contains('\\') {
            COMMAND[0].to_string()
        } else {
            worktree.which(COMMAND[0]).ok_or_else(|| {
                "stardraft is not on the PATH. In a terminal, `stardraft doctor` says what to do.".to_string()
            })?
        };
        Ok(Command {
            command: program,
            args: COMMAND[1..].iter().map(|argument| argument.to_string()).collect(),
            env: worktree.shell_env(),
        })
    }
}

zed::register_extension!(Stardraft);
