//! The era of the protocol this process speaks. A server of both eras belongs, for the rest of its life, to the era of
//! the first request it gets: what a client believes of a server must not change under it.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::modern;
use crate::wire::fault::{Fault, INVALID_REQUEST};
use crate::wire::method::Method;

/// Which era to speak.
#[derive(clap::ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// The revisions up to 2025-11-25: a session that begins with `initialize`.
    Legacy,
    /// The revision 2026-07-28: no session, every request stands for itself.
    Modern,
    /// Whichever the first request belongs to, for the life of the process.
    #[default]
    Dual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Legacy,
    Modern,
}

#[derive(Debug)]
pub(super) struct Era {
    choice: EraChoice,
    is_loose: bool,
    decided: Mutex<Option<Spoken>>,
}

// === impl Era ===

impl Era {
    pub(super) fn new(choice: EraChoice, is_loose: bool) -> Self {
        let decided = match choice {
            EraChoice::Legacy => Some(Spoken::Legacy),
            EraChoice::Modern => Some(Spoken::Modern),
            EraChoice::Dual => None,
        };
        Self { choice, is_loose, decided: Mutex::new(decided) }
    }

    /// What has been decided; until then it is the old era, which knows answers to those who are out of turn.
    pub(super) fn spoken(&self) -> Spoken {
        let decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        decided.unwrap_or(Spoken::Legacy)
    }

    /// The era in which to answer a request, or why it cannot be answered in any.
    pub(super) fn of_request(&self, method: Method, params: &Value) -> Result<Spoken, Fault> {
        let is_enveloped = modern::is_enveloped(params);
        let is_discover = method == Method::Discover;
        let is_initialize = method == Method::Initialize;
        let mut decided = self.decided.lock().unwrap_or_else(PoisonError::into_inner);
        match *decided {
            Some(Spoken::Modern) if is_initialize && !is_enveloped => {
                Err(modern::unsupported(&params["protocolVersion"]))
            }
            Some(Spoken::Legacy) if is_enveloped && self.choice == EraChoice::Dual => {
                Err(Fault::new(
                    INVALID_REQUEST,
                    "this process was greeted with `initialize`, so a request cannot bring its own protocol version",
                ))
            }
            Some(spoken) => Ok(spoken),
            None if is_enveloped || is_discover => {
                if !(self.is_loose && is_discover) {
                    *decided = Some(Spoken::Modern);
                }
                Ok(Spoken::Modern)
            }
            None => {
                *decided = Some(Spoken::Legacy);
                Ok(Spoken::Legacy)
            }
        }
    }

    /// Leaves the decision to the next request, as a server does that knows one era and only pretends to the other.
    pub(super) fn reconsider(&self) {
        if self.choice == EraChoice::Dual {
            *self.decided.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(era: &Era, requests: &[(Method, bool)]) -> Vec<Result<Spoken, i32>> {
        let enveloped = json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}});
        let bare = json!({"protocolVersion": "2025-11-25"});
        let one = |(method, is_enveloped): &(Method, bool)| {
            let params = if *is_enveloped { &enveloped } else { &bare };
            era.of_request(*method, params).map_err(|fault| fault.code)
        };
        requests.iter().map(one).collect()
    }

    #[test]
    fn the_first_request_decides_for_good() {
        use Spoken::{Legacy, Modern};
        let dual = || Era::new(EraChoice::Dual, false);
        let (hello, probe) = ((Method::Initialize, false), (Method::Discover, true));
        let (ping, call) = ((Method::Ping, false), (Method::ToolsCall, true));
        assert_eq!(
            answers(&dual(), &[ping, hello, call, probe, (Method::Discover, false)]),
            [Ok(Legacy), Ok(Legacy), Err(-32600), Err(-32600), Ok(Legacy)]
        );
        assert_eq!(
            answers(&dual(), &[call, hello, (Method::Initialize, true), ping]),
            [Ok(Modern), Err(-32022), Ok(Modern), Ok(Modern)]
        );
        assert_eq!(
            answers(&dual(), &[(Method::Discover, false), hello]),
            [Ok(Modern), Err(-32022)]
        );
    }

    #[test]
    fn one_era_is_told_from_the_start() {
        use Spoken::{Legacy, Modern};
        let requests =
            [(Method::Discover, true), (Method::Initialize, false), (Method::Ping, true)];
        let legacy = Era::new(EraChoice::Legacy, false);
        assert_eq!(answers(&legacy, &requests), [Ok(Legacy), Ok(Legacy), Ok(Legacy)]);
        let modern = Era::new(EraChoice::Modern, false);
        assert_eq!(answers(&modern, &requests), [Ok(Modern), Err(-32022), Ok(Modern)]);
    }

    #[test]
    fn a_loose_server_answers_a_probe_and_waits_on() {
        let loose = Era::new(EraChoice::Dual, true);
        let requests = [(Method::Discover, true), (Method::Initialize, false)];
        assert_eq!(answers(&loose, &requests), [Ok(Spoken::Modern), Ok(Spoken::Legacy)]);
    }
}
