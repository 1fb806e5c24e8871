//! The checks of the table with the official Rust SDK. They are those of `../../checks.py`, where the arguments, the file
//! of targets and the lines printed are described. MODE is `default` or `initialize` for the handshake, which the SDK
//! makes unasked, `discover` for the era without it, or `auto`.

// The revision of 2026 deprecates sampling, roots and log messages; here they are still to be heard of.
#![allow(deprecated)]

use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams,
    CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationAction, ErrorData,
    GetPromptRequestParams, Implementation, ListRootsResult, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
    ReadResourceRequestParams, RequestMetaObject, Root, SamplingMessage, ServerNotification,
    SetLevelRequestParams, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt, ServiceExt};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

const SECONDS_PER_CHECK: Duration = Duration::from_secs(30);
const SECONDS_TO_WAIT: Duration = Duration::from_secs(10);
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(2);
const SAMPLED: &str = "an answer made by the client";
const ROOT: &str = "file:///the/root/of/the/client";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What reached the client unasked.
#[derive(Default)]
struct Heard {
    progress: Vec<f64>,
    logged: Vec<String>,
    changes: usize,
}

#[derive(Clone)]
struct Answering {
    content: Value,
    heard: Arc<Mutex<Heard>>,
}

impl Answering {
    fn hear<T>(&self, hear: impl FnOnce(&mut Heard) -> T) -> T {
        hear(&mut self.heard.lock().expect("no holder of the lock panics"))
    }
}

impl ClientHandler for Answering {
    fn get_info(&self) -> ClientConfig {
        let can = ClientCapabilities::builder()
            .enable_elicitation()
            .enable_roots()
            .enable_sampling()
            .build();
        ClientConfig::new(can, Implementation::new("stdiod-interop", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(self.content.clone()))
    }

    async fn create_message(
        &self,
        _: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let said =
            CreateMessageResult::new(SamplingMessage::assistant_text(SAMPLED), "none".into());
        Ok(said.with_stop_reason(CreateMessageResult::STOP_REASON_END_TURN))
    }

    async fn list_roots(
        &self,
        _: RequestContext<RoleClient>,
    ) -> Result<ListRootsResult, ErrorData> {
        Ok(ListRootsResult::new(vec![Root::new(ROOT)]))
    }

    async fn on_progress(
        &self,
        params: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear(|heard| heard.progress.push(params.progress));
    }

    async fn on_logging_message(
        &self,
        params: LoggingMessageNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear(|heard| heard.logged.push(params.data.to_string()));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear(|heard| heard.changes += 1);
    }
}

/// A client that is connected, and what to ask of the server.
struct Connection {
    client: RunningService<RoleClient, Answering>,
    ask: Value,
}

#[expect(
    clippy::disallowed_methods,
    reason = "that children are started in one place is a rule of the daemon"
)]
async fn connect(target: &Value, mode: &str) -> Outcome<Connection> {
    let modern = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match mode {
        "default" => None,
        "initialize" => Some(ClientLifecycleMode::Initialize),
        "discover" => Some(ClientLifecycleMode::Discover { preferred_versions: modern }),
        "auto" => {
            Some(ClientLifecycleMode::Auto { preferred_versions: modern, legacy_version: None })
        }
        _ => return Err(format!("no mode {mode}").into()),
    };
    let service = Answering { content: target["answer"].clone(), heard: Arc::default() };
    let client = if let Some(url) = target["url"].as_str() {
        let transport = StreamableHttpClientTransport::from_uri(url);
        match lifecycle {
            None => service.serve(transport).await?,
            Some(lifecycle) => service.serve_with_lifecycle(transport, lifecycle).await?,
        }
    } else {
        let words: Vec<String> = serde_json::from_value(target["command"].clone())?;
        let (program, arguments) = words.split_first().ok_or("no command")?;
        let mut command = Command::new(program);
        command.args(arguments);
        let transport = TokioChildProcess::new(command)?;
        match lifecycle {
            None => service.serve(transport).await?,
            Some(lifecycle) => service.serve_with_lifecycle(transport, lifecycle).await?,
        }
    };
    let connection = Connection { client, ask: target["ask"].clone() };
    let logs =
        connection.client.peer_info().is_some_and(|server| server.capabilities.logging.is_some());
    if logs && !connection.is_modern() {
        connection.client.set_level(SetLevelRequestParams::new(LoggingLevel::Debug)).await?;
    }
    Ok(connection)
}

async fn eventually(what: &str, limit: Duration, look: impl Fn() -> bool) -> Outcome<()> {
    let end = Instant::now() + limit;
    while !look() {
        if Instant::now() > end {
            return Err(format!("not within {} s: {what}", limit.as_secs()).into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn contains(wanted: &Value, said: &str) -> Outcome<String> {
    let wanted = wanted.as_str().ok_or("the plan does not say what to find")?;
    if said.contains(wanted) {
        Ok(said.trim().chars().take(80).collect())
    } else {
        Err(format!("'{wanted}' is not in '{said}'").into())
    }
}

/// The texts of a list of contents.
fn texts(contents: &Value) -> String {
    let contents = contents.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<_> = contents.iter().filter_map(|content| content["text"].as_str()).collect();
    texts.join("\n")
}

impl Connection {
    fn revision(&self) -> String {
        self.client
            .peer_info()
            .map(|server| server.protocol_version.to_string())
            .unwrap_or_default()
    }

    fn is_modern(&self) -> bool {
        self.revision().as_str() >= "2026-07-28"
    }

    fn heard<T>(&self, hear: impl FnOnce(&mut Heard) -> T) -> T {
        self.client.service().hear(hear)
    }

    /// What a tool says, and whether it failed.
    async fn call(&self, name: &str, arguments: &Value) -> Outcome<(String, bool)> {
        let mut params = CallToolRequestParams::new(name.to_owned());
        params.arguments = arguments.as_object().cloned();
        if self.is_modern() {
            let mut meta = RequestMetaObject::default();
            meta.set_log_level(LoggingLevel::Debug);
            params.meta = Some(meta);
        }
        let result = self.client.call_tool(params).await?;
        Ok((texts(&json!(result.content)), result.is_error == Some(true)))
    }

    async fn tool(&self, step: &Value) -> Outcome<String> {
        let (said, failed) =
            self.call(step["tool"].as_str().ok_or("no tool is named")?, &step["arguments"]).await?;
        if failed { Err(format!("the tool failed: {said}").into()) } else { Ok(said) }
    }

    /// What the check of this name has to tell.
    async fn check(&self, name: &str) -> Outcome<String> {
        let step = &self.ask[name];
        match name {
            "tools" => {
                let names: Vec<_> =
                    self.client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
                let wanted: Vec<String> = serde_json::from_value(step.clone())?;
                match wanted.iter().find(|name| !names.iter().any(|have| have == name.as_str())) {
                    None => Ok(format!("{} tools", names.len())),
                    Some(missing) => Err(format!("{missing} is not among {names:?}").into()),
                }
            }
            "call" | "elicitation" | "revision" => {
                contains(&step["contains"], &self.tool(step).await?)
            }
            "sampling" => contains(&json!(SAMPLED), &self.tool(step).await?),
            "roots" => contains(&json!(ROOT), &self.tool(step).await?),
            "unknown" => match self.call("no-such-tool", &json!({})).await {
                Ok((said, false)) => Err(format!("it was answered {said}").into()),
                Ok((said, true)) => contains(&json!("no-such-tool"), &said),
                Err(error) => contains(&json!("no-such-tool"), &error.to_string()),
            },
            "prompts" => self.prompts(step).await,
            "resources" => self.resources(step).await,
            "progress" => self.progress(step).await,
            "log" => {
                let before = self.heard(|heard| heard.logged.len());
                let wanted = step["contains"].as_str().unwrap_or_default();
                let logged = || {
                    self.heard(|heard| {
                        heard.logged[before..].iter().any(|said| said.contains(wanted))
                    })
                };
                let mut more = 3;
                loop {
                    self.tool(step).await?;
                    match eventually("a log message", LOG_AGAIN_AFTER, logged).await {
                        Ok(()) => break,
                        Err(error) if more == 0 => return Err(error),
                        Err(_) => more -= 1,
                    }
                }
                Ok(format!("{} messages", self.heard(|heard| heard.logged.len()) - before))
            }
            "changed" => self.changed(step).await,
            "cancel" => self.cancel(step).await,
            _ => Err(format!("no check {name}").into()),
        }
    }

    async fn prompts(&self, step: &Value) -> Outcome<String> {
        let names: Vec<_> =
            self.client.list_all_prompts().await?.into_iter().map(|prompt| prompt.name).collect();
        if !names.iter().any(|name| step["name"] == name.as_str()) {
            return Err(format!("it is not among {names:?}").into());
        }
        let mut params = GetPromptRequestParams::new(step["name"].as_str().unwrap_or_default());
        params.arguments = serde_json::from_value(step["arguments"].clone())?;
        let messages = json!(self.client.get_prompt(params).await?.messages);
        let contents: Vec<_> = messages
            .as_array()
            .into_iter()
            .flatten()
            .map(|message| message["content"].clone())
            .collect();
        contains(&step["contains"], &texts(&json!(contents)))
    }

    async fn resources(&self, step: &Value) -> Outcome<String> {
        let uris: Vec<_> = self
            .client
            .list_all_resources()
            .await?
            .into_iter()
            .map(|resource| resource.uri)
            .collect();
        if !uris.iter().any(|uri| step["uri"] == uri.as_str()) {
            return Err(format!("it is not among {uris:?}").into());
        }
        let params = ReadResourceRequestParams::new(step["uri"].as_str().unwrap_or_default());
        contains(
            &step["contains"],
            &texts(&json!(self.client.read_resource(params).await?.contents)),
        )
    }

    /// The SDK asks for progress with every call.
    async fn progress(&self, step: &Value) -> Outcome<String> {
        self.heard(|heard| heard.progress.clear());
        self.tool(step).await?;
        let least = usize::try_from(step["least"].as_u64().unwrap_or(1))?;
        eventually("enough steps", SECONDS_TO_WAIT, || {
            self.heard(|heard| heard.progress.len() >= least)
        })
        .await?;
        let seen = self.heard(|heard| heard.progress.clone());
        if seen.is_sorted_by(|one, next| one < next) {
            Ok(format!("{} steps", seen.len()))
        } else {
            Err(format!("progress was {seen:?}").into())
        }
    }

    /// News come by a subscription in the one era, and by a stream that is there in the other.
    async fn changed(&self, step: &Value) -> Outcome<String> {
        if self.is_modern() {
            let mut filter = SubscriptionFilter::default();
            filter.tools_list_changed = Some(true);
            let mut news = self.client.listen(filter).await?;
            self.tool(step).await?;
            let told = timeout(SECONDS_TO_WAIT, news.next()).await??;
            news.cancel().await?;
            if !matches!(told, Some(ServerNotification::ToolListChangedNotification(_))) {
                return Err(format!("it was told {told:?}").into());
            }
        } else {
            let before = self.heard(|heard| heard.changes);
            self.tool(step).await?;
            eventually("the news", SECONDS_TO_WAIT, || self.heard(|heard| heard.changes > before))
                .await?;
        }
        Ok("told".into())
    }

    /// The SDK tells the server when nobody waits for a call any more.
    async fn cancel(&self, step: &Value) -> Outcome<String> {
        let there = |name: &str| step[name].as_str().is_none_or(|path| Path::new(path).exists());
        let begun = async {
            if step["began"].is_null() {
                sleep(Duration::from_millis(500)).await;
                return Ok(());
            }
            eventually("the call begins", SECONDS_TO_WAIT, || there("began")).await
        };
        tokio::select! {
            begun = begun => begun?,
            ended = self.tool(step) => return Err(format!("it ended by itself: {ended:?}").into()),
        }
        eventually("the server hears of it", SECONDS_TO_WAIT, || there("cancelled")).await?;
        contains(&self.ask["call"]["contains"], &self.tool(&self.ask["call"]).await?)?;
        let told = if step["cancelled"].is_null() {
            "the next call was answered"
        } else {
            "the server heard of it"
        };
        Ok(told.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [client, mode, targets] = arguments.as_slice() else {
        return Err("usage: client CLIENT MODE TARGETS".into());
    };
    let targets: Vec<Value> = serde_json::from_slice(&std::fs::read(targets)?)?;
    for target in &targets {
        let server = target["server"].as_str().unwrap_or_default();
        let line = |check: &str, outcome: Outcome<String>| {
            let (result, detail) =
                outcome.map_or_else(|error| ("FAIL", error.to_string()), |detail| ("ok", detail));
            let detail: String = detail.replace(['\n', '\t'], " ").chars().take(300).collect();
            println!("{client}\t{server}\t{check}\t{result}\t{detail}");
        };
        let over = |_| Err("its time is over".into());
        let connection =
            match timeout(SECONDS_PER_CHECK, connect(target, mode)).await.unwrap_or_else(over) {
                Ok(connection) => connection,
                Err(error) => {
                    line("connect", Err(error));
                    continue;
                }
            };
        line("connect", Ok(connection.revision()));
        for (check, step) in connection.ask.as_object().into_iter().flatten() {
            if !step.is_null() {
                line(
                    check,
                    timeout(SECONDS_PER_CHECK, connection.check(check))
                        .await
                        .unwrap_or_else(|_| Err("its time is over".into())),
                );
            }
        }
        let closed = timeout(SECONDS_TO_WAIT, connection.client.cancel()).await;
        line(
            "close",
            closed.map_err(Into::into).and_then(|closed| Ok(closed.map(|_| String::new())?)),
        );
    }
    Ok(())
}
