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
//! It speaks both eras of the protocol, but a process only one: the first request decides. What differs stands in
//! [`legacy`] and [`modern`]; tools, prompts and resources do not know which of the two they serve.
//!
//! ```text
//!                          ┌ legacy ┐
//!   stdin ─► reader ─► era ┤        ├─┬─ resources, prompts, quick tools ─┬─► voice ─► stdout
//!              │           └ modern ┘ └─ slow tools, a thread each ───────┘
//!              └ cancel, answers ─────────────► flight ─┘
//! ```

use std::io;

mod args;
mod ask;
mod call;
mod catalog;
mod era;
mod flight;
mod legacy;
mod mischief;
mod modern;
mod prompts;
mod reader;
mod resources;
mod server;
mod tasks;
mod tools;
mod voice;

pub use args::DemoArgs;
pub use era::EraChoice;
pub use modern::Discovery;
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
