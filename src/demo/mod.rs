//! `stdiod demo-server`: a small MCP server on stdin and stdout.
//!
//! It is what a newcomer sees first, so it is friendly; it offers what the official conformance suite asks of a server,
//! so the whole bridge can be held against that suite; and by hidden flags it misbehaves in every way servers in the
//! field do, so the tests need no second server.
//!
//! One thread reads. What can be answered at once it answers itself; a tool that waits for time or for the client gets
//! a thread of its own. All threads speak through one [`voice`], line by line. A call in progress is a [`flight`]: it
//! can be cancelled from the reading thread, which also brings it the client's answers to what it asked. When stdin
//! ends, all flights are cancelled and the server ends.
//!
//! ```text
//!   stdin ─► reader ─┬─ resources, prompts, quick tools ─┬─► voice ─► stdout
//!              │     └─ slow tools, a thread each ───────┘
//!              └ cancel, answers ─► flight ─┘
//! ```

use std::io;

mod args;
mod call;
mod catalog;
mod flight;
mod mischief;
mod prompts;
mod reader;
mod resources;
mod server;
mod tools;
mod voice;

pub use args::DemoArgs;
pub use reader::serve;

/// Serves on stdin and stdout until stdin ends.
pub fn run(args: DemoArgs) -> io::Result<()> {
    mischief::before(&args)?;
    let linger = args.ignore_eof;
    serve(args, io::stdin().lock(), io::stdout())?;
    if linger {
        mischief::linger();
    }
    Ok(())
}
