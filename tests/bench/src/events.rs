//! Takes an event stream apart.

use memchr::memchr;

/// The part of a line whose end has not come yet.
#[derive(Default)]
pub struct Events {
    part: Vec<u8>,
}

impl Events {
    /// Gives each message whose end is in this piece. A message is one line, as all bridges write them.
    pub fn feed(&mut self, mut piece: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = memchr(b'\n', piece) {
            if self.part.is_empty() {
                data(&piece[..end], &mut each);
            } else {
                self.part.extend_from_slice(&piece[..end]);
                data(&self.part, &mut each);
                self.part.clear();
            }
            piece = &piece[end + 1..];
        }
        self.part.extend_from_slice(piece);
    }
}

fn data(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let Some(text) = line.strip_prefix(b"data:") else { return };
    let text = text.trim_ascii();
    if !text.is_empty() {
        each(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_the_pieces_end() {
        let text = b"id: 1\ndata:\n\nevent: message\r\ndata: {\"a\":1}\r\n\r\ndata: {}\n\n";
        for at in 0..text.len() {
            let (mut events, mut found) = (Events::default(), Vec::new());
            for piece in [&text[..at], &text[at..]] {
                events.feed(piece, |message| found.push(message.to_vec()));
            }
            assert_eq!(found, [b"{\"a\":1}".to_vec(), b"{}".to_vec()], "cut at {at}");
        }
    }
}
