//! Headers that repeat arguments of a call, where its tool asks for that. To check them the tools have to be known: they are listed
//! once, and again after the server has said that they changed.

use std::sync::Arc;

use crate::bridge::mirrors::Mirrors;
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::http::Visit;
use crate::wire::frame::{Frame, Kind};
use crate::wire::meta::{Members, Params};
use crate::wire::method::Method;
use crate::wire::raw;

/// Longer lists are not read to their end.
const PAGES_MAX: usize = 100;

impl Visit {
    /// Holds the headers of a call to its arguments. Whoever reads only headers must not see another call than the child does.
    pub(super) async fn check_mirrored(
        &self,
        frame: &Frame,
        params: &Params<'_>,
    ) -> Result<(), Refusal> {
        let mirrors = match self.entry.tools.known() {
            Some(mirrors) => mirrors,
            None => self.list_tools().await?,
        };
        if mirrors.is_empty() {
            return Ok(());
        }
        let name = params.name.and_then(|name| raw::string(name.get()));
        let Some(name) = name else { return Ok(()) };
        let said = |header: &str| self.values(header);
        mirrors.check(&name, frame.payload(), said).map_err(Refusal::Mismatch)
    }

    /// Lists the tools. If that fails nothing is checked: the call itself will show what is wrong.
    async fn list_tools(&self) -> Result<Arc<Mirrors>, Refusal> {
        let tools = &self.entry.tools;
        let _turn = tools.turn().await;
        // Another has listed them while we waited.
        if let Some(mirrors) = tools.known() {
            return Ok(mirrors);
        }
        let (changes, mut mirrors) = (tools.changes(), Mirrors::default());
        let (mut cursor, mut cursors) = (String::new(), Vec::new());
        for _ in 0..PAGES_MAX {
            let mut replies = self.ask_ourselves(Method::ToolsList, &cursor).await?;
            let text = match replies.next().await {
                Some(Event::Answer { text, .. }) => text,
                Some(Event::Refuse { why, .. }) => return Err(why),
                _ => return Err(Refusal::Interrupted),
            };
            let Ok(page) = Frame::skim(text) else { break };
            let Some(result) = page.payload().filter(|_| page.kind() == Kind::Result) else {
                let server = &self.entry.name;
                tracing::debug!(%server, "its tools cannot be listed: headers of calls are not checked");
                break;
            };
            mirrors.learn(result);
            let next = Members::of(result).get("nextCursor").map(|next| next.get().to_owned());
            match next.filter(|next| next != "null" && !cursors.contains(next)) {
                Some(next) => {
                    cursor = format!("\"cursor\":{next},");
                    cursors.push(next);
                }
                None => break,
            }
        }
        for (tool, flaw) in mirrors.invalid() {
            let server = &self.entry.name;
            tracing::warn!(%server, tool, "a tool's x-mcp-header is invalid, and clients drop such a tool: {flaw}");
        }
        Ok(tools.learned(changes, mirrors))
    }
}
