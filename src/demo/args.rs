//! The options of `stdiod demo-server`. The help shows the era alone: without the others it is a well-behaved server, and
//! each of them makes it misbehave in one way, for the tests of whoever has to live with such servers. They compose
//! freely.

use std::path::PathBuf;

use super::era::EraChoice;
use super::modern::Discovery;
use crate::wire::version::Version;

#[derive(clap::Args, Debug, Clone, Default)]
pub struct DemoArgs {
    /// Which era of the protocol to speak.
    #[arg(long, value_enum, default_value_t)]
    pub era: EraChoice,

    /// Call yourself this in `serverInfo`.
    #[arg(long, hide = true)]
    pub name: Option<String>,
    /// Speak no protocol revision newer than this.
    #[arg(long, hide = true, value_parser = revision)]
    pub revision: Option<Version>,
    /// Put at most this many entries on a page of a list.
    #[arg(long, hide = true)]
    pub page: Option<usize>,
    /// Append every received line to this file.
    #[arg(long, hide = true)]
    pub log: Option<PathBuf>,

    /// How to answer each `server/discover`, the last for all that follow: proper, silence, late:MS, nonsense, exit,
    /// versions:DATE+DATE, error:CODE or error:CODE:DATE+DATE.
    #[arg(long, hide = true, value_delimiter = ',')]
    pub discover: Vec<Discovery>,
    /// Do not let `server/discover` decide the era.
    #[arg(long, hide = true)]
    pub loose_era: bool,
    /// Exit on any request that comes before `initialize`.
    #[arg(long, hide = true)]
    pub exit_before_initialize: bool,
    /// Leave out the state of a round as long as there is nothing to remember.
    #[arg(long, hide = true)]
    pub bare_asks: bool,
    /// Ask the client where it cannot be asked: in answer to `tools/list`.
    #[arg(long, hide = true)]
    pub ask_on_list: bool,
    /// Leave out `resultType`.
    #[arg(long, hide = true)]
    pub forget_result_type: bool,
    /// Seal the state of a round with a key made of this text, so that another process can open it.
    #[arg(long, hide = true)]
    pub state_key: Option<String>,
    /// Offer a tool that sends the user to a web page first.
    #[arg(long, hide = true)]
    pub url_tool: bool,
    /// Offer the experimental tasks of 2025-11-25.
    #[arg(long, hide = true)]
    pub legacy_tasks: bool,

    /// Exit with this code before saying anything.
    #[arg(long, hide = true)]
    pub exit_at_start: Option<i32>,
    /// Wait so many milliseconds before reading anything.
    #[arg(long, hide = true)]
    pub slow_start: Option<u64>,
    /// Die on receiving the tool call after so many.
    #[arg(long, hide = true)]
    pub crash_after: Option<u64>,
    /// The exit code to die with; without it, die by SIGABRT.
    #[arg(long, hide = true)]
    pub crash_code: Option<i32>,
    /// Offer a tool that makes the server die.
    #[arg(long, hide = true)]
    pub crash_tool: bool,
    /// Offer a tool that misbehaves in the way it is asked to.
    #[arg(long, hide = true)]
    pub act_up: bool,
    /// Leave half a line behind on every way out.
    #[arg(long, hide = true)]
    pub half_line: bool,

    /// Read everything and answer nothing.
    #[arg(long, hide = true)]
    pub hang: bool,
    /// Never answer `initialize`.
    #[arg(long, hide = true)]
    pub hang_initialize: bool,
    /// Never answer `tools/list`.
    #[arg(long, hide = true)]
    pub hang_list: bool,
    /// Do not end on SIGTERM.
    #[arg(long, hide = true)]
    pub ignore_sigterm: bool,
    /// Do not end when stdin does, for up to ten minutes.
    #[arg(long, hide = true)]
    pub ignore_eof: bool,

    /// Print noise to stdout before and between messages, some of it not UTF-8.
    #[arg(long, hide = true)]
    pub banner: bool,
    /// Begin with a notification of this many bytes.
    #[arg(long, hide = true)]
    pub huge_line: Option<usize>,
    /// Never stop talking: notifications nobody knows, as fast as they are read, once the handshake is done.
    #[arg(long, hide = true)]
    pub flood: bool,
    /// Offer a tool that reports progress as fast as it can.
    #[arg(long, hide = true)]
    pub hasty_tool: bool,
    /// Print every message as an array of one.
    #[arg(long, hide = true)]
    pub array: bool,
    /// Print in small, oddly cut pieces.
    #[arg(long, hide = true)]
    pub pieces: bool,
    /// Write a lot to stderr, some of it not UTF-8.
    #[arg(long, hide = true)]
    pub stderr_noise: bool,
    /// Write numeric ids back as strings.
    #[arg(long, hide = true)]
    pub string_ids: bool,
    /// Answer calls even when they were cancelled.
    #[arg(long, hide = true)]
    pub answer_cancelled: bool,
    /// Ask for sampling and elicitation even of clients that declared neither, the first time right after the handshake.
    #[arg(long, hide = true)]
    pub stray_ask: bool,

    /// Start a process of your own in the same group that outlives you and holds stdout open.
    #[arg(long, hide = true)]
    pub fork_grandchild: bool,
    /// Start that process in a session, and so in a group, of its own.
    #[arg(long, hide = true)]
    pub fork_grandchild_setsid: bool,
    /// Have such a process ignore SIGTERM, even if you do not.
    #[arg(long, hide = true)]
    pub stubborn_grandchild: bool,
    /// Start such a process with an empty environment.
    #[arg(long, hide = true)]
    pub bare_grandchild: bool,
    /// Be that process: do nothing for ten minutes.
    #[arg(long, hide = true)]
    pub linger: bool,
    /// Leave the session one was started in.
    #[arg(long, hide = true)]
    pub own_session: bool,
}

fn revision(text: &str) -> Result<Version, String> {
    Version::parse_legacy(text).ok_or_else(|| {
        let known = Version::LEGACY.map(Version::as_str).join(", ");
        format!("the revisions are {known}")
    })
}
