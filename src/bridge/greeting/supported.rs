//! The revisions a child names where it would not answer.

use crate::wire::fault;
use crate::wire::meta::{Members, ResultView};
use crate::wire::raw;
use crate::wire::version::{Era, Version};

/// What a list of revisions comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Supported {
    /// There is no list, or nothing in it is a revision.
    Nothing,
    /// The revision without a handshake that is served here too.
    Mutual,
    /// One with a handshake.
    Legacy,
    /// Only others without a handshake.
    Unknown(String),
}

// === impl Supported ===

impl Supported {
    /// What any error says of revisions.
    pub(super) fn of_error(error: &str) -> Self {
        let data = Members::of(error).get("data").map_or("", |data| data.get());
        Self::of_list(Members::of(data).get("supported").map_or("", |list| list.get()))
    }

    /// What an error says that is about revisions.
    pub(super) fn of_version_error(error: &str) -> Self {
        let code = Members::of(error).get("code").and_then(|code| code.get().parse().ok());
        if code == Some(fault::UNSUPPORTED_VERSION) { Self::of_error(error) } else { Self::Nothing }
    }

    /// What a `DiscoverResult` says of revisions.
    pub(super) fn of_result(result: &str) -> Self {
        let list = ResultView::of(Some(result)).supported_versions;
        Self::of_list(list.map_or("", |list| list.get()))
    }

    fn of_list(list: &str) -> Self {
        let entries: Vec<serde_json::Value> = serde_json::from_str(list).unwrap_or_default();
        let dates = entries.iter().filter_map(|date| date.as_str()).filter(|date| is_date(date));
        let mut unknown = Vec::new();
        let mut is_legacy = false;
        for date in dates {
            match Era::of(date) {
                Era::Modern if date == Version::MODERN.as_str() => return Self::Mutual,
                Era::Modern => unknown.push(date),
                Era::Legacy => is_legacy = true,
            }
        }
        if is_legacy {
            Self::Legacy
        } else if unknown.is_empty() {
            Self::Nothing
        } else {
            Self::Unknown(raw::clipped(&unknown.join(", ")).to_owned())
        }
    }
}

/// Drafts have other names, which come after all dates in the order of texts.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_judged_by_what_can_be_spoken() {
        for (list, what) in [
            (r#"["2027-01-01","2026-07-28"]"#, Supported::Mutual),
            (r#"["2025-11-25"]"#, Supported::Legacy),
            (r#"["2027-01-01","2025-11-25"]"#, Supported::Legacy),
            (r#"["2027-01-01","2028-01-01"]"#, Supported::Unknown("2027-01-01, 2028-01-01".into())),
            (r#"["DRAFT-2026", 3, null]"#, Supported::Nothing),
            (r#""2026-07-28""#, Supported::Nothing),
            ("[]", Supported::Nothing),
        ] {
            let error = |code: i32| format!(r#"{{"code":{code},"data":{{"supported":{list}}}}}"#);
            assert_eq!(Supported::of_version_error(&error(-32022)), what, "{list}");
            assert_eq!(Supported::of_error(&error(-32600)), what, "{list}");
            assert_eq!(Supported::of_version_error(&error(-32600)), Supported::Nothing);
            let result = format!(r#"{{"supportedVersions":{list}}}"#);
            assert_eq!(Supported::of_result(&result), what, "{list}");
        }
        assert_eq!(Supported::of_error(r#"{"code":-32022}"#), Supported::Nothing);
    }
}
