//! The facets server on the official Rust SDK, which speaks both eras over stdio: the first request that is not a probe
//! decides. What the facets servers have in common is told in `../../servers/facets/python.py`.
//!
//! This SDK leaves to its user what the others do by themselves: a question to the client is a request in the one era
//! and an `input_required` result in the other, and news of changed tools go to subscriptions in the one and to the
//! client as such in the other.

// The revision of 2026 deprecates sampling, roots and log messages; here they are still to be heard of.
#![allow(deprecated)]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, CreateMessageRequest,
    CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetPromptResult, Implementation, InputRequest,
    InputRequests, InputRequiredResult, JsonObject, ListPromptsResult, ListResourcesResult,
    ListRootsRequest, ListToolsResult, LoggingLevel, LoggingMessageNotificationParam,
    PaginatedRequestParams, ProgressNotificationParam, Prompt, PromptArgument, PromptMessage,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
    ResourceContents, Role, SamplingMessage, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscriptionFilter, Tool,
};
use rmcp::service::{RequestContext, RoleServer, SubscriptionContext, SubscriptionSink};
use rmcp::{ServerHandler, ServiceExt};
use serde_json::{Value, json};
use tokio::sync::Mutex;

const GREETING: &str = "facets://greeting";

/// Each tool, and its arguments with their types.
const TOOLS: [(&str, &[(&str, &str)]); 10] = [
    ("echo", &[("message", "string")]),
    ("add", &[("a", "number"), ("b", "number")]),
    ("steps", &[("count", "integer")]),
    ("log", &[("text", "string")]),
    ("elicit", &[]),
    ("sample", &[]),
    ("roots", &[]),
    ("change", &[]),
    ("wait", &[("note", "string")]),
    ("revision", &[]),
];

#[derive(Clone)]
struct Facets {
    notes: PathBuf,
    listeners: Arc<Mutex<Vec<SubscriptionSink>>>,
    /// How many listeners there are or are about to be: the SDK acknowledges a subscription before it says that there is
    /// one, and a client may ask for news in between.
    promised: Arc<AtomicUsize>,
}

type Said<T> = Result<T, ErrorData>;

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

fn text(said: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(said)]).into()
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        _ => JsonObject::new(),
    }
}

fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28)
}

fn question(tool: &str) -> Option<InputRequest> {
    let schema = json!({"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]});
    Some(match tool {
        "elicit" => InputRequest::Elicitation(ElicitRequest::new(
            ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: "Which colour?".into(),
                requested_schema: serde_json::from_value(schema).ok()?,
            },
        )),
        "sample" => InputRequest::CreateMessage(CreateMessageRequest::new(
            CreateMessageRequestParams::new(vec![SamplingMessage::user_text("Say something.")], 20),
        )),
        "roots" => InputRequest::ListRoots(ListRootsRequest::default()),
        _ => return None,
    })
}

/// What a tool that asked says of the answer.
fn answered(tool: &str, answer: &Value) -> Said<CallToolResponse> {
    let said = match tool {
        "elicit" => {
            answer["content"]["colour"].as_str().map(|colour| format!("the colour is {colour}"))
        }
        "sample" => answer["content"]["text"].as_str().map(|said| format!("the model said {said}")),
        _ => answer["roots"].as_array().map(|roots| {
            let roots: Vec<_> = roots.iter().filter_map(|root| root["uri"].as_str()).collect();
            roots.join(" ")
        }),
    };
    said.map(text).ok_or_else(|| internal(format!("this is no answer: {answer}")))
}

impl Facets {
    async fn ask(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Said<CallToolResponse> {
        let tool = request.name.as_ref();
        let question = question(tool).ok_or_else(|| internal("no such question"))?;
        if is_modern(&context) {
            if let Some(answer) = request.input_responses.as_ref().and_then(|all| all.get("facet"))
            {
                return answered(tool, &json!(answer));
            }
            let mut questions = InputRequests::new();
            questions.insert("facet".into(), question);
            return Ok(InputRequiredResult::new(Some(questions), None).into());
        }
        let answer = match question {
            InputRequest::Elicitation(asked) => {
                json!(context.peer.create_elicitation(asked.params).await.map_err(internal)?)
            }
            InputRequest::CreateMessage(asked) => {
                json!(context.peer.create_message(asked.params).await.map_err(internal)?)
            }
            _ => json!(context.peer.list_roots().await.map_err(internal)?),
        };
        answered(tool, &answer)
    }

    async fn step(
        &self,
        count: u32,
        context: &RequestContext<RoleServer>,
    ) -> Said<CallToolResponse> {
        if let Some(token) = context.meta.get_progress_token() {
            for step in 1..=count {
                let params = ProgressNotificationParam::new(token.clone(), step.into())
                    .with_total(count.into())
                    .with_message(format!("step {step}"));
                context.peer.notify_progress(params).await.map_err(internal)?;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(text(format!("{count} steps")))
    }

    /// In the era without sessions a message goes to who asked for messages, and only to them.
    async fn log(
        &self,
        said: &str,
        context: &RequestContext<RoleServer>,
    ) -> Said<CallToolResponse> {
        use LoggingLevel::{Debug, Info, Notice, Warning};
        let wanted = !is_modern(context)
            || matches!(context.meta.log_level(), Some(Debug | Info | Notice | Warning));
        if wanted {
            let params = LoggingMessageNotificationParam::new(LoggingLevel::Warning, json!(said))
                .with_logger("facets");
            context.peer.notify_logging_message(params).await.map_err(internal)?;
        }
        Ok(text("logged"))
    }

    async fn all_listen(&self) {
        for _ in 0..100 {
            if self.listeners.lock().await.len() >= self.promised.load(Ordering::Relaxed) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn change(&self, context: &RequestContext<RoleServer>) -> Said<CallToolResponse> {
        if is_modern(context) {
            self.all_listen().await;
            for listener in self.listeners.lock().await.iter() {
                listener.notify_tool_list_changed().await.map_err(internal)?;
            }
        } else {
            context.peer.notify_tool_list_changed().await.map_err(internal)?;
        }
        Ok(text("announced"))
    }

    /// Is there until it is cancelled, and leaves a note that it was.
    async fn wait(
        &self,
        note: &str,
        context: &RequestContext<RoleServer>,
    ) -> Said<CallToolResponse> {
        std::fs::write(self.notes.join(format!("{note}.began")), "").map_err(internal)?;
        tokio::select! {
            () = context.ct.cancelled() => {
                std::fs::write(self.notes.join(format!("{note}.cancelled")), "").map_err(internal)?;
                Err(internal("cancelled"))
            }
            () = tokio::time::sleep(Duration::from_mins(1)) => Ok(text("nobody cancelled this")),
        }
    }
}

impl ServerHandler for Facets {
    fn get_info(&self) -> ServerConfig {
        let offered = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_prompts()
            .enable_resources()
            .enable_logging()
            .build();
        ServerConfig::new(offered)
            .with_server_info(Implementation::new("facets-rust", "1.0.0"))
            .with_instructions("Ask for the facets.")
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Said<ListToolsResult> {
        let tools = TOOLS.iter().map(|(name, arguments)| {
            let names: Vec<_> = arguments.iter().map(|(argument, _)| argument).collect();
            let types: JsonObject =
                arguments.iter().map(|(name, is)| ((*name).into(), json!({"type": is}))).collect();
            let schema = json!({"type": "object", "properties": types, "required": names});
            Tool::new(*name, "A facet.", object(schema))
        });
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Said<CallToolResponse> {
        let arguments = json!(request.arguments);
        let string = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        match request.name.as_ref() {
            "echo" => Ok(text(string("message"))),
            "add" => {
                let sum = arguments["a"].as_i64().unwrap_or_default()
                    + arguments["b"].as_i64().unwrap_or_default();
                Ok(text(sum.to_string()))
            }
            "steps" => {
                let count = arguments["count"].as_u64().and_then(|count| u32::try_from(count).ok());
                self.step(count.unwrap_or_default(), &context).await
            }
            "log" => self.log(&string("text"), &context).await,
            "elicit" | "sample" | "roots" => self.ask(request, context).await,
            "change" => self.change(&context).await,
            "wait" => self.wait(&string("note"), &context).await,
            "revision" => Ok(text(
                context.protocol_version().map(|version| version.to_string()).unwrap_or_default(),
            )),
            other => Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Said<ListResourcesResult> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(GREETING, "greeting")]))
    }

    async fn read_resource(
        &self,
        asked: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Said<ReadResourceResponse> {
        if asked.uri != GREETING {
            return Err(ErrorData::resource_not_found(
                "no such resource",
                Some(json!({"uri": asked.uri})),
            ));
        }
        Ok(ReadResourceResult::new(vec![ResourceContents::text("hello from a resource", GREETING)])
            .into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Said<ListPromptsResult> {
        let name = PromptArgument::new("name").with_required(true);
        Ok(ListPromptsResult::with_all_items(vec![Prompt::new(
            "greet",
            Some("A greeting."),
            Some(vec![name]),
        )]))
    }

    async fn get_prompt(
        &self,
        asked: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Said<GetPromptResponse> {
        let arguments = json!(asked.arguments);
        let name = arguments["name"].as_str().unwrap_or_default();
        let message = PromptMessage::new_text(Role::User, format!("Say hello to {name}."));
        Ok(GetPromptResult::new(vec![message]).into())
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Said<()> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        self.promised.fetch_add(1, Ordering::Relaxed);
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Said<()> {
        let listener = context.sink().clone();
        let id = listener.id().clone();
        self.listeners.lock().await.push(listener);
        context.cancelled().await;
        self.listeners.lock().await.retain(|other| *other.id() != id);
        self.promised.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let notes =
        std::env::var_os("FACETS_NOTES").ok_or("FACETS_NOTES names no folder for the notes")?;
    let facets =
        Facets { notes: notes.into(), listeners: Arc::default(), promised: Arc::default() };
    facets.serve(rmcp::transport::stdio()).await?.waiting().await?;
    Ok(())
}
