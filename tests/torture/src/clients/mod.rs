//! The kinds of clients. Each lives until the run is over, writes every call into the books, and says at the end whether
//! its session still works.

mod asked;
mod batch;
mod canceller;
mod dawdler;
mod old;
mod stateless;
mod steady;
mod streaming;
mod vanisher;

use std::pin::Pin;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::rng::Rng;
use crate::world::World;

type Life = Pin<Box<dyn Future<Output = ()>>>;

/// A kind: its name, and how one of it lives at a server.
pub(crate) type Kind = (&'static str, fn(Rc<World>, String, Rng) -> Life);

pub(crate) const ALL: [Kind; 9] = [
    ("steady", |world, server, rng| Box::pin(steady::live(world, server, rng))),
    ("streaming", |world, server, rng| Box::pin(streaming::live(world, server, rng))),
    ("stateless", |world, server, rng| Box::pin(stateless::live(world, server, rng))),
    ("old", |world, server, rng| Box::pin(old::live(world, server, rng))),
    ("asked", |world, server, rng| Box::pin(asked::live(world, server, rng))),
    ("batch", |world, server, rng| Box::pin(batch::live(world, server, rng))),
    ("dawdler", |world, server, rng| Box::pin(dawdler::live(world, server, rng))),
    ("vanisher", |world, server, rng| Box::pin(vanisher::live(world, server, rng))),
    ("canceller", |world, server, rng| Box::pin(canceller::live(world, server, rng))),
];

/// Arguments of a call that may make its server misbehave a little.
fn mischief(rng: &mut Rng, payload: &str) -> Value {
    let how = ["noise", "line", "stderr"];
    let mut arguments = json!({"text": payload, "ms": rng.below(60)});
    if rng.chance(8)
        && let Some(how) = rng.pick(&how)
    {
        arguments["how"] = (*how).into();
    }
    arguments
}
