//! Lists, page by page. A cursor is the place of the next entry in a form that looks opaque, because clients must treat
//! it so.

use serde_json::{Value, json};

use super::call::Outcome;
use crate::wire::fault::{Fault, INVALID_PARAMS};

const MARK: &str = "from-";

/// The page of `entries` that `cursor` names, under the name `key`. `size` is the length of a page; all on one if absent.
pub(super) fn page(key: &str, entries: &[Value], params: &Value, size: Option<usize>) -> Outcome {
    let bad = || Fault::new(INVALID_PARAMS, "the cursor is not one this server gave out");
    let start = match params.get("cursor") {
        None | Some(Value::Null) => 0,
        Some(Value::String(cursor)) => cursor
            .strip_prefix(MARK)
            .and_then(|place| place.parse().ok())
            .filter(|start| (1..entries.len()).contains(start))
            .ok_or_else(bad)?,
        Some(_) => return Err(bad()),
    };
    let end = entries.len().min(start + size.unwrap_or(entries.len()).max(1));
    let mut result = json!({});
    result[key] = entries[start..end].into();
    if end < entries.len() {
        result["nextCursor"] = format!("{MARK}{end}").into();
    }
    Ok(result)
}
