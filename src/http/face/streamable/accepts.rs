//! The forms of answer a client takes.

use hyper::header::{self, HeaderMap};

/// The forms of answer a client says it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http::face) struct Accepts {
    pub(in crate::http::face) json: bool,
    pub(in crate::http::face) events: bool,
}

// === impl Accepts ===

impl Accepts {
    pub(in crate::http::face) const BOTH: Self = Self { json: true, events: true };

    /// Nothing said means that anything is taken.
    pub(in crate::http::face) fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self { json: false, events: false };
        let mut said = false;
        let values = headers.get_all(header::ACCEPT).iter();
        for part in values.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(',')) {
            let essence = part.split(';').next().unwrap_or_default().trim();
            said |= !essence.is_empty();
            let is = |form: &&str| essence.eq_ignore_ascii_case(form);
            accepts.json |= ["application/json", "application/*", "*/*"].iter().any(is);
            accepts.events |= ["text/event-stream", "text/*", "*/*"].iter().any(is);
        }
        if said { accepts } else { Self::BOTH }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn any_accept_header_is_understood() {
        let of = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            }
            let accepts = Accepts::of(&headers);
            (accepts.json, accepts.events)
        };
        assert_eq!(of(None), (true, true));
        assert_eq!(of(Some("")), (true, true));
        assert_eq!(of(Some("*/*")), (true, true));
        assert_eq!(of(Some("text/event-stream, application/json")), (true, true));
        assert_eq!(of(Some("Application/JSON;q=0.9")), (true, false));
        assert_eq!(of(Some("text/event-stream")), (false, true));
        assert_eq!(of(Some("text/html, image/png")), (false, false));
    }
}
