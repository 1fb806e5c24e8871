//! The JSON Schema of a configuration *file*: the model, plus `[defaults]`, with only `command` required of a server.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::model::Model;

/// The schema as editors use it.
pub fn file_schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Model>().to_value();
    schema["title"] = json!("stdiod configuration");
    schema["description"] =
        json!("One file of the configuration of stdiod; every key is optional.");
    if let Some(Value::Object(definitions)) = schema.get_mut("$defs") {
        split_server(definitions);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        // A built-in value is told key by key; told again for whole sections it is noise.
        for property in properties.values_mut().filter_map(Value::as_object_mut) {
            if property.get("default").is_none_or(|value| value.is_object() || value.is_null()) {
                property.remove("default");
            }
        }
        properties.insert(
            "defaults".to_owned(),
            json!({
                "description": "Keys of a server that hold for every server which does not set them itself.",
                "$ref": "#/$defs/ServerDefaults"
            }),
        );
        // In a file the defaults are read before the servers they are for.
        if let Some(servers) = properties.shift_remove("servers") {
            properties.insert("servers".to_owned(), servers);
        }
    }
    schema
}

fn split_server(definitions: &mut Map<String, Value>) {
    let Some(mut server) = definitions.remove("Server") else { return };
    if let Some(Value::Object(command)) = server.pointer_mut("/properties/command") {
        command.remove("default");
    }
    let mut defaults = server.clone();
    defaults["description"] = json!("Keys of a server that hold for every server.");
    server["required"] = json!(["command"]);
    definitions.insert("Server".to_owned(), server);
    definitions.insert("ServerDefaults".to_owned(), defaults);
}
