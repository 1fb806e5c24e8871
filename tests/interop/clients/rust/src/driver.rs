//! The checks of the laboratory with the official Rust SDK: `driver MODE PLAN`, where MODE is `legacy` for the handshake,
//! which the SDK makes unasked, or `auto`. They are those of `../../drive.py`, where the lines are described that are
//! printed and read. A session that is not known any more this SDK opens again by itself.

// The revision of 2026 deprecates sampling; here it is still to be answered.
#![allow(deprecated)]

use std::error::Error;
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    CreateMessageRequestParams, CreateMessageResult, ElicitRequestParams, ElicitResult,
    ElicitationAction, ErrorData, Implementation, ProgressNotificationParam, ProtocolVersion,
    SamplingMessage, ServerResult,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RoleClient, RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientCacheConfig, ClientHandler, ClientLifecycleMode, ClientServiceExt, ServiceExt};
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, timeout};

const CHECKS: [&str; 16] = [
    "connect",
    "tools",
    "prompts",
    "resources",
    "call",
    "servers",
    "progress",
    "cancel",
    "sampling",
    "elicitation",
    "parallel",
    "churn",
    "restart",
    "kill",
    "crash",
    "close",
];
const SECONDS_PER_CHECK: Duration = Duration::from_mins(1);
const SECONDS_TO_CLOSE: Duration = Duration::from_secs(5);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

/// What it answers when it is asked; without that it does not say that it can be asked.
#[derive(Clone)]
struct Answers {
    said: String,
    content: Value,
}

#[derive(Clone)]
struct Answering {
    answers: Option<Answers>,
    progress: Arc<Mutex<Vec<f64>>>,
}

impl ClientHandler for Answering {
    fn get_info(&self) -> ClientConfig {
        let can = if self.answers.is_some() {
            ClientCapabilities::builder().enable_elicitation().enable_sampling().build()
        } else {
            ClientCapabilities::default()
        };
        ClientConfig::new(can, Implementation::new("stdiod-interop", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let content = self.answers.as_ref().map(|answers| answers.content.clone());
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content.unwrap_or_default()))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let said = self.answers.as_ref().map(|answers| answers.said.clone()).unwrap_or_default();
        let message =
            CreateMessageResult::new(SamplingMessage::assistant_text(said), "none".into());
        Ok(message.with_stop_reason(CreateMessageResult::STOP_REASON_END_TURN))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.progress.lock().expect("no holder of the lock panics").push(params.progress);
    }
}

/// A client that is connected.
struct Connection {
    client: RunningService<RoleClient, Answering>,
}

impl Connection {
    async fn open(url: &str, mode: &str, answers: Option<Answers>) -> Outcome<Self> {
        let service = Answering { answers, progress: Arc::default() };
        let transport = StreamableHttpClientTransport::from_uri(url);
        let client = match mode {
            "legacy" => service.serve(transport).await?,
            "auto" => {
                let lifecycle = ClientLifecycleMode::Auto {
                    preferred_versions: vec![ProtocolVersion::V_2026_07_28],
                    legacy_version: None,
                };
                service.serve_with_lifecycle(transport, lifecycle).await?
            }
            _ => return Err(format!("there is no mode {mode}").into()),
        };
        // What it heard once is no answer of the server.
        client.set_response_cache_config(ClientCacheConfig::disabled()).await;
        Ok(Self { client })
    }

    fn revision(&self) -> String {
        let server = self.client.peer_info();
        server.map(|server| server.protocol_version.to_string()).unwrap_or_default()
    }

    /// Lists what the server has, as many as it is said to have.
    async fn lists(&self, what: &str, entry: &Value) -> Outcome<String> {
        let found = match what {
            "tools" => self.client.list_all_tools().await?.len(),
            "prompts" => self.client.list_all_prompts().await?.len(),
            _ => self.client.list_all_resources().await?.len(),
        };
        let wanted = &entry[what];
        ensure(*wanted == found, || format!("{found} {what}, where the server has {wanted}"))?;
        Ok(format!("{found} {what}"))
    }

    async fn call(&self, step: &Value) -> Outcome<String> {
        expected(step, &json!(self.client.call_tool(params(step)?).await?))
    }

    async fn close(self) -> Outcome<()> {
        self.client.cancel().await?;
        Ok(())
    }
}

fn params(step: &Value) -> Outcome<CallToolRequestParams> {
    let tool = step["tool"].as_str().ok_or("no tool is named")?;
    let mut params = CallToolRequestParams::new(tool.to_owned());
    params.arguments = step["arguments"].as_object().cloned();
    Ok(params)
}

/// The result is what the plan expects of this call.
fn expected(step: &Value, result: &Value) -> Outcome<String> {
    let contents = result["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<_> = contents.iter().filter_map(|content| content["text"].as_str()).collect();
    let (said, wanted) = (texts.join("\n"), step["contains"].as_str().unwrap_or_default());
    ensure(result["isError"] != true, || format!("the tool failed: {said}"))?;
    ensure(said.contains(wanted), || format!("'{wanted}' is not in '{said}'"))?;
    Ok(format!("{} answered", step["tool"].as_str().unwrap_or_default()))
}

fn say(line: &Value) {
    println!("{line}");
}

/// The client goes on meanwhile, and sees what happens to its streams.
async fn ask(act: &str) -> Outcome<()> {
    say(&json!({ "ask": act }));
    let told = spawn_blocking(|| {
        let mut told = String::new();
        std::io::stdin().lock().read_line(&mut told).map(|_| told)
    });
    let told: Value = serde_json::from_str(&told.await??)?;
    ensure(told["failed"].is_null(), || format!("{act}: {}", told["failed"]))
}

struct Laboratory {
    mode: String,
    plan: Value,
    held: Option<Connection>,
}

impl Laboratory {
    fn held(&self) -> Outcome<&Connection> {
        self.held.as_ref().ok_or_else(|| "it never connected".into())
    }

    /// The server of the checks that need but one.
    fn first(&self) -> &Value {
        &self.plan["servers"][0]
    }

    async fn open(&self, entry: &Value, answers: Option<Answers>) -> Outcome<Connection> {
        let url = entry["url"].as_str().ok_or("no URL is told")?;
        Connection::open(url, &self.mode, answers).await
    }

    fn answers(&self) -> Answers {
        Answers {
            said: self.plan["answer"].as_str().unwrap_or_default().into(),
            content: self.plan["elicitation"]["content"].clone(),
        }
    }

    async fn check(&mut self, check: &str) -> Outcome<String> {
        match check {
            "connect" => {
                let held = self.open(&self.plan, None).await?;
                Ok(self.held.insert(held).revision())
            }
            "tools" | "prompts" | "resources" => self.held()?.lists(check, self.first()).await,
            "call" => self.held()?.call(&self.plan["call"]).await,
            "servers" => {
                let servers = self.plan["servers"].as_array().ok_or("no servers are told")?;
                for entry in servers {
                    let connection = self.open(entry, None).await?;
                    connection.lists("tools", entry).await?;
                    connection.call(&entry["call"]).await?;
                    connection.close().await?;
                }
                Ok(format!("{} listed and called", servers.len()))
            }
            "progress" => self.progress().await,
            "cancel" => self.cancel().await,
            "sampling" | "elicitation" => {
                let connection = self.open(&self.plan, Some(self.answers())).await?;
                connection.call(&self.plan[check]).await?;
                connection.close().await?;
                Ok("asked and answered".into())
            }
            "parallel" => self.parallel().await,
            "churn" => {
                let rounds = self.plan["rounds"].as_u64().unwrap_or_default();
                for _ in 0..rounds {
                    let connection = self.open(self.first(), None).await?;
                    connection.lists("tools", self.first()).await?;
                    connection.close().await?;
                }
                Ok(format!("{rounds} rounds"))
            }
            "restart" | "kill" | "crash" => {
                ask(check).await?;
                self.held()?.lists("tools", self.first()).await?;
                self.held()?.call(&self.plan["call"]).await?;
                Ok("the same client, at the first try".into())
            }
            "close" => {
                let held = self.held.take().ok_or("it never connected")?;
                timeout(SECONDS_TO_CLOSE, held.close()).await??;
                Ok("closed".into())
            }
            _ => Err(format!("there is no check {check}").into()),
        }
    }

    /// The SDK gives up when this long nothing came; each event lets it wait again.
    async fn progress(&self) -> Outcome<String> {
        let (held, long) = (self.held()?, &self.plan["long"]);
        let idle = Duration::from_secs(self.plan["idle"].as_u64().ok_or("no limit is told")?);
        let seen = &held.client.service().progress;
        seen.lock().expect("no holder of the lock panics").clear();
        let options = PeerRequestOptions::with_timeout(idle).reset_timeout_on_progress();
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params(long)?));
        let begin = Instant::now();
        let call = held.client.send_cancellable_request(request, options).await?;
        let ServerResult::CallToolResult(result) = call.await_response().await? else {
            return Err("the answer is not that of a call".into());
        };
        expected(long, &json!(result))?;
        let seen = seen.lock().expect("no holder of the lock panics").clone();
        let (lasted, wanted) = (begin.elapsed(), &long["events"]);
        ensure(*wanted == seen.len(), || {
            format!("{} of {wanted} events before the answer", seen.len())
        })?;
        ensure(seen.is_sorted_by(|one, next| one < next), || format!("progress was {seen:?}"))?;
        ensure(lasted > idle, || format!("{lasted:?} is not longer than the client waits"))?;
        Ok(format!("{} events in {:.1} s", seen.len(), lasted.as_secs_f32()))
    }

    async fn cancel(&self) -> Outcome<String> {
        let held = self.held()?;
        let request =
            ClientRequest::CallToolRequest(CallToolRequest::new(params(&self.plan["cancel"])?));
        let options = PeerRequestOptions::no_options();
        let call = held.client.send_cancellable_request(request, options).await?;
        ask("busy").await?;
        call.cancel(Some("given up".into())).await?;
        ask("settled").await?;
        held.call(&self.plan["call"]).await?;
        Ok("nothing in flight, the next call was answered".into())
    }

    async fn parallel(&self) -> Outcome<String> {
        let count = usize::try_from(self.plan["discoveries"].as_u64().unwrap_or_default())?;
        let servers = self.plan["servers"].as_array().ok_or("no servers are told")?;
        let mut discoveries = JoinSet::new();
        for entry in servers.iter().cycle().take(count).cloned() {
            let mode = self.mode.clone();
            discoveries.spawn(async move {
                let url = entry["url"].as_str().ok_or("no URL is told")?;
                let connection = Connection::open(url, &mode, None).await?;
                connection.lists("tools", &entry).await?;
                Outcome::Ok(connection)
            });
        }
        let mut connections = Vec::new();
        while let Some(discovered) = discoveries.join_next().await {
            connections.push(discovered??);
        }
        for connection in connections {
            connection.close().await?;
        }
        Ok(format!("{count} at once"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, plan] = arguments.as_slice() else {
        return Err("usage: driver MODE PLAN".into());
    };
    let plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let mut laboratory = Laboratory { mode: mode.clone(), plan, held: None };
    for check in CHECKS {
        let outcome = timeout(SECONDS_PER_CHECK, laboratory.check(check)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("its time is over".into()));
        let (result, detail) =
            outcome.map_or_else(|error| ("fail", error.to_string()), |detail| ("ok", detail));
        let detail: String = detail.replace('\n', " ").chars().take(300).collect();
        say(&json!({ "check": check, "result": result, "detail": detail }));
    }
    Ok(())
}
