//! Headers that repeat arguments of a call, where its tool asks for that. To check them the tools have to be known: they are listed
//! once, and again after the server has said that they changed.

use crate::bridge::mirrors::Mirrors;
use crate::bridge::outlet::Event;
use crate::bridge::refusal::Refusal;
use crate::http::Visit;
use crate::link::tools::{Listed, Unlisted};
use crate::wire::frame::{Frame, Kind};
use crate::wire::meta::{Members, Params};
use crate::wire::method::Method;
use crate::wire::raw;

/// Longer lists are not read to their end.
const PAGES_MAX: usize = 100;

impl Visit<'_> {
    /// Holds the headers of a call to its arguments. Whoever reads only headers must not see another call than the child does.
    /// Where the tools cannot be listed nothing is checked: the call itself will show what is wrong.
    pub(super) async fn check_mirrored(
        &self,
        frame: &Frame,
        params: &Params<'_>,
    ) -> Result<(), Refusal> {
        let tools = &self.entry.tools;
        let mirrors = match tools.known() {
            Some(mirrors) => mirrors,
            None => match tools.learn(self.list_tools()).await {
                Ok(mirrors) => mirrors,
                Err(Unlisted::NoChild) => return Ok(()),
                Err(Unlisted::Failed(why)) => {
                    let server = &self.entry.name;
                    tracing::warn!(%server, "its tools could not be listed, so headers that repeat arguments are not checked: {why}");
                    return Ok(());
                }
            },
        };
        if mirrors.is_empty() {
            return Ok(());
        }
        let name = params.name.and_then(|name| raw::string(name.get()));
        let Some(name) = name else { return Ok(()) };
        let said = |header: &str| self.values(header);
        mirrors.check(&name, frame.payload(), said).map_err(Refusal::Mismatch)
    }

    /// Lists the tools. Who drops this takes the request back that is under way.
    async fn list_tools(&self) -> Result<Listed, Unlisted> {
        let tools = &self.entry.tools;
        let (mut changes, mut mirrors) = (tools.changes(), Mirrors::default());
        let (mut cursor, mut cursors) = (String::new(), Vec::new());
        for number in 0..PAGES_MAX {
            let page = self.page_of_tools(&cursor).await?;
            if number == 0 {
                changes = tools.changes_at_answer(changes);
            }
            let result = page.payload().unwrap_or_default();
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
        Ok(Listed { changes, mirrors })
    }

    /// One page: a response with a result.
    async fn page_of_tools(&self, cursor: &str) -> Result<Frame, Unlisted> {
        let mut replies =
            self.ask_ourselves(Method::ToolsList, cursor).await.map_err(|why| unlisted(&why))?;
        let text = match replies.next().await {
            Some(Event::Answer { mut text, .. }) => text.join().clone(),
            Some(Event::Refuse { why, .. }) => return Err(unlisted(&why)),
            _ => return Err(unlisted(&Refusal::Interrupted)),
        };
        match Frame::skim(text) {
            Ok(page) if page.kind() == Kind::Result => Ok(page),
            _ => Err(Unlisted::Failed("the server answered tools/list with an error".into())),
        }
    }
}

fn unlisted(why: &Refusal) -> Unlisted {
    if let Refusal::NoChild { .. } = why {
        return Unlisted::NoChild;
    }
    Unlisted::Failed(why.fault().message.into())
}
