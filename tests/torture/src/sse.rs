//! Reads event streams, apart from the daemon's own reading so that one mistake cannot hide another.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

#[derive(Debug, Default)]
pub(crate) struct Decoder {
    rest: Vec<u8>,
    event: Event,
    has_data: bool,
    /// The last event id seen, from which a lost stream can be taken up.
    pub(crate) last_id: Option<String>,
}

impl Decoder {
    /// Takes bytes in and gives the events that are complete now.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            self.line(line.trim_end_matches(['\n', '\r']), &mut events);
        }
        events
    }

    fn line(&mut self, line: &str, events: &mut Vec<Event>) {
        if line.is_empty() {
            if self.has_data {
                events.push(std::mem::take(&mut self.event));
            }
            self.event = Event::default();
            self.has_data = false;
            return;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if self.has_data {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
                self.has_data = true;
            }
            "event" => value.clone_into(&mut self.event.name),
            "id" => self.last_id = Some(value.to_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let text = b": open\n\nid: 7-1\nevent: message\ndata: {\ndata: }\n\nretry: 3\n\ndata:x\n\n";
        for size in [1, 3, 100] {
            let mut decoder = Decoder::default();
            let events: Vec<Event> =
                text.chunks(size).flat_map(|piece| decoder.push(piece)).collect();
            let data: Vec<&str> = events.iter().map(|event| event.data.as_str()).collect();
            assert_eq!(data, ["{\n}", "x"]);
            assert_eq!(events[0].name, "message");
            assert_eq!(decoder.last_id.as_deref(), Some("7-1"));
        }
    }
}
