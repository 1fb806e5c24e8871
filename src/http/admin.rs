//! Health, readiness, status, and a word for people who open the address in a browser.
//!
//! Health is what the children last did: a server that cannot answer is never called ready.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::House;
use super::body::Body;
use super::guard::Sight;
use super::render::{self, Refused};
use crate::bridge::lane::Lane;
use crate::bridge::refusal::Refusal;
use crate::link::directory::{ChildReport, Entry, Report};

/// How long a report may take before a server counts as one that does not answer.
const REPORT_WAIT: Duration = Duration::from_secs(2);

pub(super) fn healthz(method: &Method) -> Result<Response<Body>, Refused> {
    only_get(method)?;
    Ok(text("ok\n"))
}

/// 200 if every server that starts with the daemon has answered its handshake, else 503 and why not.
pub(super) async fn readyz(
    house: &House,
    only: Option<&Arc<Entry>>,
    sight: &Sight<'_>,
    method: &Method,
) -> Result<Response<Body>, Refused> {
    only_get(method)?;
    let entries: Vec<Arc<Entry>> = match only {
        Some(entry) => vec![Arc::clone(entry)],
        None => house.directory.servers.values().cloned().collect(),
    };
    let mut ready = Vec::new();
    let mut waiting = serde_json::Map::new();
    let (mut well, mut all) = (0, 0);
    for (entry, report) in reports(entries).await {
        let why = why_not(report.as_ref());
        all += 1;
        well += usize::from(why.is_none());
        if !sight.shows(&entry) {
            continue;
        }
        match why {
            None => ready.push(entry.name.to_string()),
            Some(why) => {
                waiting.insert(entry.name.to_string(), why);
            }
        }
    }
    let stopping = house.is_stopping();
    let status =
        if well == all && !stopping { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": status == StatusCode::OK,
        "stopping": stopping,
        "counts": { "ready": well, "all": all },
        "servers": ready,
        "not_ready": waiting,
    });
    Ok(render::json(status, pretty(&body)))
}

pub(super) async fn status(
    house: &House,
    sight: &Sight<'_>,
    method: &Method,
) -> Result<Response<Body>, Refused> {
    only_get(method)?;
    let mut servers = serde_json::Map::new();
    let seen = house.directory.servers.values().filter(|entry| sight.shows(entry)).cloned();
    for (entry, report) in reports(seen.collect()).await {
        servers.insert(entry.name.to_string(), describe(&entry, report.as_ref()));
    }
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": house.born.elapsed().as_secs(),
        "stopping": house.is_stopping(),
        "reloads": reloads(house),
        "servers": servers,
    });
    Ok(render::json(StatusCode::OK, pretty(&body)))
}

pub(super) fn home(house: &House, method: &Method) -> Result<Response<Body>, Refused> {
    only_get(method)?;
    let mut page = format!(
        "stdiod {} serves {} MCP server(s) over Streamable HTTP.\n\n",
        env!("CARGO_PKG_VERSION"),
        house.directory.servers.len()
    );
    // With tokens configured, names are for those who hold one.
    if house.bearers.is_none() {
        for name in house.directory.servers.keys() {
            let _ = writeln!(page, "  /servers/{name}/mcp");
        }
    }
    page.push_str("\nGET /readyz says which of them answer, GET /status how they are doing.\n");
    Ok(text(page))
}

/// Asks all servers at once how they are doing.
async fn reports(entries: Vec<Arc<Entry>>) -> Vec<(Arc<Entry>, Option<Report>)> {
    let mut asked = tokio::task::JoinSet::new();
    for (n, entry) in entries.iter().enumerate() {
        let entry = Arc::clone(entry);
        asked.spawn(async move {
            let report = tokio::time::timeout(REPORT_WAIT, entry.report()).await;
            (n, report.ok().flatten())
        });
    }
    let mut reports: Vec<(Arc<Entry>, Option<Report>)> =
        entries.into_iter().map(|entry| (entry, None)).collect();
    while let Some(done) = asked.join_next().await {
        if let Ok((n, report)) = done {
            reports[n].1 = report;
        }
    }
    reports
}

/// Why a server is not ready; `None` if it is, or if nothing is expected of it yet.
fn why_not(report: Option<&Report>) -> Option<Value> {
    let Some(child) = report.and_then(Report::shared) else {
        return Some(json!({"state": "unknown", "why": "its task does not answer"}));
    };
    // One at rest, or on its way there or back, is as well as one that runs; only one that failed is a worry.
    let at_rest = matches!(child.state, "stopped" | "draining")
        || (child.state == "starting" && child.restarts > 0);
    if child.state == "ready" || (at_rest && child.trouble.is_none()) {
        return None;
    }
    let why = child.trouble.as_deref().map_or_else(
        || format!("it has not answered its handshake for {} s", child.for_s),
        str::to_owned,
    );
    Some(json!({"state": child.state, "why": why, "restarts": child.restarts}))
}

fn describe(entry: &Entry, report: Option<&Report>) -> Value {
    let Some(report) = report else { return json!({"state": "unknown"}) };
    let children: Vec<Value> = report.children.iter().map(child).collect();
    let shared = report.shared();
    json!({
        "state": shared.map_or("unknown", |child| child.state),
        "path": format!("/servers/{}/mcp", entry.name),
        "sessions": report.children.iter().map(|child| child.fronts).sum::<usize>(),
        "children": children,
    })
}

fn reloads(house: &House) -> Value {
    let (ago, refused) = match &house.reloads.last {
        Some((when, refused)) => (Some(when.elapsed().as_secs()), refused.as_deref()),
        None => (None, None),
    };
    json!({"taken": house.reloads.taken, "last_s_ago": ago, "last_refused": refused})
}

fn child(child: &ChildReport) -> Value {
    let counts = &child.counts;
    json!({
        "lane": match child.lane {
            Lane::Shared => "shared",
            Lane::Private if child.spare => "spare",
            Lane::Private => "private",
            Lane::Pooled => "pooled",
        },
        "state": child.state,
        "state_for_s": child.for_s,
        "pid": child.pid,
        "restarts": child.restarts,
        "trouble": child.trouble.as_deref(),
        "server": child.about.as_ref().map(|about| json!({
            "name": about.name, "version": about.version, "revision": about.revision,
            "era": about.era.name(),
        })),
        "sessions": child.fronts,
        "in_flight": child.calls,
        "suspended": child.suspended,
        "calls": {
            "ok": counts.results,
            "error": counts.errors,
            "refused": counts.refused,
            "cancelled": counts.cancelled,
            "recalled": counts.recalled,
        },
        "stdout": { "noise": counts.noise, "overlong": counts.overlong },
        "dropped": counts.dropped,
        "stderr": child.stderr,
    })
}

fn only_get(method: &Method) -> Result<(), Refusal> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    Err(Refusal::HttpMethodNotAllowed { allow: "GET, HEAD" })
}

fn pretty(value: &Value) -> Bytes {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn text(text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(text.into()));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
