//! Which arguments of which tools headers have to repeat, and whether they do: `x-mcp-header` of revision 2026-07-28.
//!
//! A tool may say of a property of its `inputSchema` that clients put its value into a header `Mcp-Param-…` too, so that
//! proxies can route by it. Whoever reads the body has to make sure that both say the same, or a proxy and a child could be
//! told two different things. So the annotations are learnt from the child's own lists, which themselves pass unchanged.
//!
//! A tool whose annotations break the rules is dropped from the list by clients that speak HTTP. Nothing is checked for it.

mod schema;

use std::collections::HashMap;

use crate::wire::headers::{self, BadHeader};
use crate::wire::meta::Members;
use crate::wire::raw::{self, Raw};

pub use schema::Flaw;

/// What is known of the tools of a child.
#[derive(Debug, Default)]
pub struct Mirrors {
    tools: HashMap<Box<str>, Tool>,
    /// Bytes of all that is kept.
    bytes: usize,
    /// How many of the tools have headers to be checked.
    mirrored: usize,
}

/// A call whose headers do not repeat its arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    #[error(
        "the header {header} is missing while the argument {property} has a value; ask for tools/list again and send what it annotates"
    )]
    Missing { header: Box<str>, property: Box<str> },
    #[error("the header {header} is sent while the argument {property} is absent or null")]
    Unasked { header: Box<str>, property: Box<str> },
    #[error("the header {header} is sent more than once")]
    Twice { header: Box<str> },
    #[error("the header {header} for the argument {property} cannot be read: {why}")]
    Unreadable { header: Box<str>, property: Box<str>, why: BadHeader },
    #[error("the header {header} says something else than the argument {property}")]
    Differs { header: Box<str>, property: Box<str> },
    /// Who reads the body after us might take the other one.
    #[error("the argument {property}, which the header {header} repeats, stands twice")]
    Ambiguous { header: Box<str>, property: Box<str> },
}

#[derive(Debug)]
enum Tool {
    Plain,
    /// HTTP clients drop it, and nothing is checked.
    Invalid(Flaw),
    Mirrored(Box<[Mirror]>),
}

/// An argument and the header that repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mirror {
    /// The whole name of the header, as it was spelt.
    header: Box<str>,
    /// The members that lead to the argument, from the outermost on.
    path: Box<[Box<str>]>,
}

/// What an argument's place holds.
enum Leaf<'a> {
    Absent,
    Value(&'a str),
    Twice,
}

/// What the name of each header begins with.
const PREFIX: &str = "Mcp-Param-";

const TOOLS_MAX: usize = 10_000;
const BYTES_MAX: usize = 1024 * 1024;

// === impl Mirrors ===

impl Mirrors {
    /// Adds a page: a result of `tools/list`. What was known of its tools before is replaced.
    pub fn learn(&mut self, result: &str) {
        let members = Members::of(result);
        let tools = members.get("tools").and_then(|raw| Raw::items(raw.get()));
        for tool in tools.unwrap_or_default() {
            let members = Members::of(tool.get());
            let name = members.get("name").and_then(|name| raw::string(name.get()));
            if let Some(name) = name {
                self.keep(&name, Tool::read(&members));
            }
        }
    }

    /// Whether nothing is to be checked for any tool that is known.
    pub fn is_empty(&self) -> bool {
        self.mirrored == 0
    }

    /// The tools that HTTP clients drop, and why.
    pub fn invalid(&self) -> impl Iterator<Item = (&str, &Flaw)> {
        self.tools.iter().filter_map(|(name, tool)| match tool {
            Tool::Invalid(flaw) => Some((&**name, flaw)),
            Tool::Plain | Tool::Mirrored(_) => None,
        })
    }

    /// Whether the headers of a call say the same as its `params`. `values` gives all values of the header it is asked for.
    pub fn check<'h>(
        &self,
        tool: &str,
        params: Option<&str>,
        values: impl Fn(&str) -> Vec<&'h [u8]>,
    ) -> Result<(), Mismatch> {
        match self.tools.get(tool) {
            Some(Tool::Mirrored(mirrors)) => mirrors.iter().try_for_each(|mirror| {
                mirror.check(params.unwrap_or("{}"), &values(&mirror.header))
            }),
            Some(Tool::Plain | Tool::Invalid(_)) | None => Ok(()),
        }
    }

    fn keep(&mut self, name: &str, tool: Tool) {
        if let Some(old) = self.tools.remove(name) {
            self.bytes -= name.len() + old.bytes();
            self.mirrored -= usize::from(old.is_mirrored());
        }
        let bytes = name.len() + tool.bytes();
        // What finds no room is not checked.
        if self.tools.len() == TOOLS_MAX || self.bytes + bytes > BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        self.mirrored += usize::from(tool.is_mirrored());
        self.tools.insert(name.into(), tool);
    }
}

// === impl Tool ===

impl Tool {
    fn read(members: &Members<'_>) -> Self {
        let Some(input) = members.get("inputSchema") else { return Self::Plain };
        match schema::mirrors(input.get()) {
            Ok(mirrors) if mirrors.is_empty() => Self::Plain,
            Ok(mirrors) => Self::Mirrored(mirrors.into()),
            Err(flaw) => Self::Invalid(flaw),
        }
    }

    fn is_mirrored(&self) -> bool {
        matches!(self, Self::Mirrored(_))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Invalid(flaw) => flaw.property.len(),
            Self::Mirrored(mirrors) => mirrors.iter().map(Mirror::bytes).sum(),
        }
    }
}

// === impl Mirror ===

impl Mirror {
    fn check(&self, params: &str, values: &[&[u8]]) -> Result<(), Mismatch> {
        let header = || self.header.clone();
        let property = || self.property();
        let leaf = self.leaf(params);
        match (leaf, values) {
            (Leaf::Twice, _) => Err(Mismatch::Ambiguous { header: header(), property: property() }),
            (_, [_, _, ..]) => Err(Mismatch::Twice { header: header() }),
            (Leaf::Absent, []) => Ok(()),
            (Leaf::Absent, [_]) => {
                Err(Mismatch::Unasked { header: header(), property: property() })
            }
            (Leaf::Value(_), []) => {
                Err(Mismatch::Missing { header: header(), property: property() })
            }
            (Leaf::Value(leaf), [value]) => match headers::agrees(value, leaf) {
                Ok(true) => Ok(()),
                Ok(false) => Err(Mismatch::Differs { header: header(), property: property() }),
                Err(why) => {
                    Err(Mismatch::Unreadable { header: header(), property: property(), why })
                }
            },
        }
    }

    /// What stands at the end of the path. Nothing is below what is no object, and `null` is nothing.
    fn leaf<'a>(&self, params: &'a str) -> Leaf<'a> {
        let mut at = params;
        for name in std::iter::once("arguments").chain(self.path.iter().map(|name| &**name)) {
            let members = Members::of(at);
            let mut found = members.0.iter().filter(|(key, _)| key == name);
            match (found.next(), found.next()) {
                (None, _) => return Leaf::Absent,
                (Some((_, value)), None) => at = value.get(),
                (Some(_), Some(_)) => return Leaf::Twice,
            }
        }
        if at == "null" { Leaf::Absent } else { Leaf::Value(at) }
    }

    fn property(&self) -> Box<str> {
        raw::clipped(&self.path.join(".")).into()
    }

    fn bytes(&self) -> usize {
        self.header.len() + self.path.iter().map(|name| name.len()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests;
