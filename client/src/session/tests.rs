//! The machine by itself: inputs in, outputs out.
