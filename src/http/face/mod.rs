//! The dialects, one file each. They share nothing but what lies below them.

pub(super) mod modern;
pub(super) mod sse;
pub(super) mod streamable;
