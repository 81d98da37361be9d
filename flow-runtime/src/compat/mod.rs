//! Densities that were trained by other programs.

pub mod jammy_flows;
