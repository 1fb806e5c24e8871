//! Which tools clients may see and call.

use crate::config::model::ToolFilter;
use crate::wire::meta::{Members, Params};
use crate::wire::raw::{self, Raw};
use crate::wire::splice::Span;

/// A filter over tool names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolPolicy {
    filter: ToolFilter,
    /// Nothing is filtered, so lists need not be opened.
    open: bool,
}

// === impl ToolPolicy ===

impl ToolPolicy {
    pub fn new(filter: ToolFilter) -> Self {
        let open = filter.deny.is_empty() && filter.allow.iter().any(|pattern| pattern == "*");
        Self { filter, open }
    }

    pub fn is_open(&self) -> bool {
        self.open
    }

    pub fn allows(&self, tool: &str) -> bool {
        self.open
            || (self.filter.allow.iter().any(|pattern| matches(pattern, tool))
                && !self.filter.deny.iter().any(|pattern| matches(pattern, tool)))
    }

    /// The tools in the result of `tools/list` without those that are hidden, and the place where they go; `None` if it shows no
    /// hidden tool.
    pub fn trim(&self, result: &str) -> Option<(Span, String)> {
        let list = Members::of(result).get("tools")?.get();
        let tools = Raw::items(list)?;
        let kept: Vec<&str> = tools
            .iter()
            .map(|tool| tool.get())
            .filter(|tool| {
                let name = Params::of(Some(tool)).name;
                let name = name.and_then(|raw| raw::string(raw.get()));
                name.is_some_and(|name| self.allows(&name))
            })
            .collect();
        if kept.len() == tools.len() {
            return None;
        }
        Some((Span::of(list, result.as_bytes()), format!("[{}]", kept.join(","))))
    }
}

/// Whether `*` in a pattern, standing for any run of characters, makes it fit the whole text. Only the last star passed is ever
/// tried again, so that a text chosen to fit badly costs no more than its length times that of the pattern.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut seen) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        match (pattern.get(at), star) {
            (Some(b'*'), _) => {
                star = Some((at, seen));
                at += 1;
            }
            (Some(byte), _) if *byte == text[seen] => {
                at += 1;
                seen += 1;
            }
            (_, Some((place, from))) => {
                star = Some((place, from + 1));
                at = place + 1;
                seen = from + 1;
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str]) -> ToolPolicy {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        ToolPolicy::new(ToolFilter { allow: own(allow), deny: own(deny) })
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, text, fits) in [
            ("*", "any", true),
            ("git_*", "git_log", true),
            ("git_*", "legit_log", false),
            ("*_log", "git_log", true),
            ("g*t_*g", "git_log", true),
            ("git", "git_log", false),
            ("", "", true),
            ("*é*", "caféx", true),
            ("*a*b", "aab", true),
            ("*a*b", "aabc", false),
            ("a**", "a", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_name_made_to_fit_badly_is_read_quickly() {
        let name = "a".repeat(10_000);
        let begun = std::time::Instant::now();
        assert!(!matches("*a*a*a*b", &name));
        assert!(begun.elapsed().as_millis() < 500);
    }

    #[test]
    fn denied_tools_are_hidden_and_refused() {
        let policy = policy(&["git_*"], &["git_push"]);
        assert!(policy.allows("git_log") && !policy.allows("git_push") && !policy.allows("rm"));
        let list = r#"{"tools":[{"name":"git_log"},{"name":"git_push"}],"nextCursor":"c"}"#;
        let (at, kept) = policy.trim(list).unwrap();
        assert_eq!(kept, r#"[{"name":"git_log"}]"#);
        assert_eq!(
            &list[at.start as usize..at.end as usize],
            r#"[{"name":"git_log"},{"name":"git_push"}]"#
        );
        assert_eq!(policy.trim(r#"{"tools":[{"name":"git_log"}]}"#), None);
        assert_eq!(policy.trim(r#"{"tools":[{"name":"rm"}]}"#).unwrap().1, "[]");
    }

    #[test]
    fn the_default_filters_nothing() {
        assert!(ToolPolicy::new(ToolFilter::default()).is_open());
        assert!(!policy(&["a"], &[]).is_open());
    }
}
