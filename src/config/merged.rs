//! The layers as one tree in which every value still knows its layer, and so its place.

use figment::providers::Serialized;
use figment::value::{Dict, Tag, Value};
use figment::{Figment, Profile, Provider};

use super::key::{KeyPath, Step};
use super::layers::Layer;
use super::model::{Model, Server};
use super::node::Marks;
use super::place::Place;

/// All layers, `[defaults]` already laid under every server.
pub(super) struct Merged {
    pub(super) root: Value,
    figment: Figment,
    layers: Vec<Layer>,
}

// === impl Merged ===

impl Merged {
    pub(super) fn new(layers: Vec<Layer>) -> Result<Self, Box<figment::Error>> {
        let mut figment = Figment::from(Serialized::defaults(Model::default()));
        for layer in &layers {
            figment = figment.merge(layer);
        }
        let mut root =
            figment.data().map_err(Box::new)?.remove(&Profile::Default).unwrap_or_default();
        let built_in = Value::serialize(Server::default()).map_err(Box::new)?;
        let defaults = root.remove("defaults").unwrap_or_else(|| Value::from(Dict::new()));
        let base = overlay(built_in, defaults);
        if let Some(Value::Dict(_, servers)) = root.get_mut("servers") {
            for server in servers.values_mut() {
                *server = overlay(base.clone(), server.clone());
            }
        }
        Ok(Self { root: Value::Dict(Tag::Default, root), figment, layers })
    }

    pub(super) fn model(&self) -> Result<Model, Box<figment::Error>> {
        self.root.deserialize().map_err(Box::new)
    }

    pub(super) fn has_servers(&self) -> bool {
        let servers = find(&self.root, &KeyPath::from(["servers"]));
        servers.and_then(Value::as_dict).is_some_and(|servers| !servers.is_empty())
    }

    /// Adds a server that no layer names.
    pub(super) fn add_server(
        &mut self,
        name: &str,
        server: &Server,
    ) -> Result<(), Box<figment::Error>> {
        let server = Value::serialize(server).map_err(Box::new)?;
        if let Value::Dict(_, root) = &mut self.root {
            let servers = Dict::from([(name.to_owned(), server)]);
            root.insert("servers".to_owned(), Value::from(servers));
        }
        Ok(())
    }

    /// Where a value was written.
    pub(super) fn place(&self, path: &KeyPath) -> Place {
        self.marks(path).map_or(Place::Default, |marks| marks.value.clone())
    }

    /// Where its key was written.
    pub(super) fn key_place(&self, path: &KeyPath) -> Place {
        self.marks(path).map_or(Place::Default, |marks| marks.key.clone())
    }

    fn marks(&self, path: &KeyPath) -> Option<&Marks> {
        let tag = find(&self.root, path)?.tag();
        let index: usize = self.figment.get_metadata(tag)?.name.parse().ok()?;
        let marks = &self.layers.get(index)?.marks;
        marks.get(path).or_else(|| marks.get(&path.under_defaults()?))
    }
}

pub(super) fn find<'a>(root: &'a Value, path: &KeyPath) -> Option<&'a Value> {
    path.steps().iter().try_fold(root, |value, step| match (step, value) {
        (Step::Key(key), Value::Dict(_, dict)) => dict.get(key),
        (Step::Index(index), Value::Array(_, items)) => items.get(*index),
        _ => None,
    })
}

fn overlay(under: Value, over: Value) -> Value {
    match (under, over) {
        (Value::Dict(_, mut under), Value::Dict(tag, over)) => {
            for (key, value) in over {
                let value = match under.remove(&key) {
                    Some(known) => overlay(known, value),
                    None => value,
                };
                under.insert(key, value);
            }
            Value::Dict(tag, under)
        }
        (_, over) => over,
    }
}
