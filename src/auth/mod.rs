//! (written in the next step)
