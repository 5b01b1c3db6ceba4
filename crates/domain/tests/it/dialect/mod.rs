//! Dialects: the five that ship, files that are refused, and one that an operator wrote.

mod broken;
mod built_in;
mod console;
mod operator;
mod recipe;
