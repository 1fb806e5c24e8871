//! The command line. What it says is plain data; the commands act on it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Flag;
use crate::demo::DemoArgs;

/// One small daemon per host that gives every stdio MCP server a Streamable HTTP endpoint any client can use.
#[derive(Parser)]
#[command(name = "stdiod", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// Read this file instead of /etc/stdiod/stdiod.toml; again for more, later ones win.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Vec<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  stdiod                                    serve what is configured, or a demo server if nothing is
  stdiod --config claude_desktop_config.json
  stdiod run -- npx -y @modelcontextprotocol/server-everything
  stdiod check --print

Exit status: 0 well, 1 failed while running, 2 wrong usage or configuration.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the daemon; this is also what happens without a command.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Serve one server without any configuration file.
    #[command(after_help = RUN_EXAMPLES, override_usage = "stdiod run [OPTIONS] -- CMD [ARG]...")]
    Run(Box<RunArgs>),
    /// Validate the configuration without starting anything.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Print the configuration with which a gateway uses the servers of this daemon.
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Turn the keys of session ids.
    #[command(after_help = KEY_EXAMPLES)]
    Key(KeyArgs),
    /// Print the JSON Schema of the configuration.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Speak MCP on standard input and output, as a server to try things with.
    #[command(after_help = DEMO_EXAMPLES)]
    DemoServer(DemoArgs),
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page.
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Whose configuration.
    #[arg(value_enum, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// Which of its two endpoints each server is used at.
    #[arg(long, value_enum, value_name = "TRANSPORT", default_value = "http")]
    pub(crate) transport: Transport,
    /// How the gateway reaches the main listener, for one in a container or behind a proxy, such as
    /// http://host.containers.internal:8750
    #[arg(long, value_name = "BASE")]
    pub(crate) url: Option<String>,
    /// The variable of the gateway's environment that holds the token [default: STDIOD_TOKEN, where tokens are configured]
    #[arg(long, value_name = "NAME")]
    pub(crate) token_env: Option<String>,
}

/// Gateways whose configuration can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The `mcp_servers` of a LiteLLM proxy, as YAML.
    #[value(name = "litellm")]
    LiteLlm,
}

/// The dialects of HTTP that gateways tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE, of revision 2024-11-05.
    Sse,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  stdiod export litellm > stdiod.yaml
  stdiod export litellm --config stdiod.toml --transport sse
  stdiod export litellm --url http://host.containers.internal:8750
  stdiod export litellm --url https://mcp.example.com --token-env MCP_TOKEN

It reads the configuration as the daemon would and needs no running daemon. Tokens are not printed: the output names
the variables that are to hold them.";

/// What `key` does.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    pub(crate) command: KeyCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Put a new key on top of the file; the three before it still open the sessions they sealed.
    #[command(after_help = KEY_EXAMPLES)]
    Rotate(RotateArgs),
}

/// What `key rotate` does beyond that.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// Make the file if there is none.
    #[arg(long)]
    pub(crate) create: bool,
}

const KEY_EXAMPLES: &str = "\
Examples:
  stdiod key rotate
  STATE_DIRECTORY=/var/lib/stdiod stdiod key rotate && systemctl reload stdiod

The file is key_file of [sessions] in the configuration, else session-keys in the state directory: state_dir of the
configuration, else $STATE_DIRECTORY, $XDG_STATE_HOME/stdiod or ~/.local/state/stdiod. systemd sets
$STATE_DIRECTORY for the service alone.";

/// What `serve` takes beyond the configuration.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Listen on IP:PORT or unix:PATH instead of the configured addresses; again for more.
    #[arg(short, long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Debug, Default, Args)]
pub(crate) struct LogArgs {
    /// Log error, warn, info, debug or trace, or by a filter such as info,stdiod::http=debug.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Log as text or json; auto is text on a terminal and under systemd.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) log_format: Option<String>,
}

const SERVE_EXAMPLES: &str = "\
Examples:
  stdiod serve
  stdiod serve --config /etc/stdiod/stdiod.toml --listen unix:/run/stdiod/http.sock
  STDIOD_LOG__LEVEL=debug stdiod serve

SIGHUP reads the configuration again and changes only what changed in it. SIGTERM and SIGINT let calls finish for up
to 10 s; a second one does not wait.";

/// The server options are the keys of `[servers.NAME]`; the configuration reference explains them.
// Not `Debug`: `env` holds secrets.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Listen on IP:PORT or unix:PATH; again for more [default: 127.0.0.1:8750]
    #[arg(short, long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// The name of the server, as in /servers/<NAME>/mcp [default: made from the command]
    #[arg(short, long)]
    pub(crate) name: Option<String>,
    /// Set a variable of the server's environment; NAME alone hands on the one of this process.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read variables from a file of KEY=value lines; again for more.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<String>,
    /// The directory the server runs in.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Who shares a child: auto, shared or per-session.
    #[arg(short, long)]
    pub(crate) mode: Option<String>,
    /// The ceiling of child processes.
    #[arg(long, value_name = "N")]
    pub(crate) max_children: Option<String>,
    /// What happens when all children are in use: wait, refuse or share.
    #[arg(long, value_name = "WHAT")]
    pub(crate) overflow: Option<String>,
    /// Children kept started for the next sessions.
    #[arg(long, value_name = "N")]
    pub(crate) spare: Option<String>,
    /// End a session with its child instead of reviving it on a fresh one: true or false.
    #[arg(long, value_name = "BOOL")]
    pub(crate) stateful: Option<String>,
    /// Tasks between clients and servers of different eras: off or bridge.
    #[arg(long, value_name = "WHAT")]
    pub(crate) tasks: Option<String>,
    /// Calls in flight per child; 0 is no limit.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<String>,
    /// When to start the server: eager or lazy.
    #[arg(long, value_name = "WHEN")]
    pub(crate) start: Option<String>,
    /// Stop a child that nobody has used for so long; the next call starts it again.
    #[arg(long, value_name = "TIME")]
    pub(crate) idle_stop: Option<String>,
    /// Whether clients may hold streams: on or off.
    #[arg(long, value_name = "ON|OFF")]
    pub(crate) push: Option<String>,
    /// The protocol era of the server: auto, legacy or modern.
    #[arg(long, value_name = "ERA")]
    pub(crate) era: Option<String>,
    /// How long the server may take to answer its handshake.
    #[arg(long, value_name = "TIME")]
    pub(crate) start_timeout: Option<String>,
    /// How long a call may take without progress.
    #[arg(long, value_name = "TIME")]
    pub(crate) request_timeout: Option<String>,
    /// Show only tools that match; again for more.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_tool: Vec<String>,
    /// Hide tools that match; again for more.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) deny_tool: Vec<String>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

const RUN_EXAMPLES: &str = "\
Examples:
  stdiod run -- npx -y @modelcontextprotocol/server-everything
  stdiod run --listen 127.0.0.1:9000 --cwd /srv/repo -- uvx mcp-server-git
  stdiod run --env GITHUB_TOKEN --mode per-session -- github-mcp-server stdio

The endpoint is http://ADDR/mcp, and the same at http://ADDR/servers/NAME/mcp.";

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Show the configuration that holds, and where each value comes from; secrets are masked.
    #[arg(short, long)]
    pub(crate) print: bool,
    /// The configuration is for another host: do not look for its commands, directories and files.
    #[arg(long)]
    pub(crate) other_host: bool,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  stdiod check
  stdiod check && systemctl reload stdiod
  stdiod check --print
  stdiod check --other-host --config container.toml";

#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {
    /// Print the reference page in Markdown instead.
    #[arg(long)]
    pub(crate) reference: bool,
}

const SCHEMA_EXAMPLES: &str = "\
Examples:
  stdiod schema > stdiod.schema.json
  stdiod schema --reference | less

For completion in an editor let the first line of a TOML file be `#:schema ./stdiod.schema.json`.";

const DEMO_EXAMPLES: &str = "\
Examples:
  stdiod run -- stdiod demo-server
  stdiod demo-server < requests.jsonl";

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell to complete for.
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  stdiod completions bash > ~/.local/share/bash-completion/completions/stdiod
  stdiod completions zsh > ~/.zfunc/_stdiod
  stdiod completions fish > ~/.config/fish/completions/stdiod.fish";

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write the pages of all commands into this directory instead.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  stdiod man | man -l -
  stdiod man --dir /usr/local/share/man/man1";

// === impl ServeArgs ===

impl ServeArgs {
    /// The flags as the uppermost layer of the configuration.
    pub(crate) fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        if !self.listen.is_empty() {
            flags.push(Flag::new("--listen", &["http", "listen"], self.listen.clone()));
        }
        flags.extend(self.log.flags());
        flags
    }
}

// === impl LogArgs ===

impl LogArgs {
    pub(crate) fn flags(&self) -> impl Iterator<Item = Flag> + use<> {
        let flag = |name, key, value: &Option<String>| {
            value.clone().map(|value| Flag::new(name, &["log", key], vec![value]))
        };
        flag("--log-level", "level", &self.log_level).into_iter().chain(flag(
            "--log-format",
            "format",
            &self.log_format,
        ))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_shows_examples() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n"), "{}", command.get_name());
        }
    }
}
