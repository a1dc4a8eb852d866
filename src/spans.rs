//! L4: size classes, span descriptors, and the way from an address to its span and object.
//!
//! A *span* is a run of pages cut into equal *slots* (or one large object). Its descriptor
//! lives out of line, in metadata that a heap overflow cannot reach; it is type-stable: never
//! unmapped, only reused for another span. [`map`] leads from any address to the descriptor,
//! [`plain`] from a page to where its slots go when they are freed.
pub mod class;
pub mod map;
pub mod plain;
pub mod side;
pub mod slab;
pub mod span;
#[cfg(test)]
mod tests;

pub use span::{Block, Span};
