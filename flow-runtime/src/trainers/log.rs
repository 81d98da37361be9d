//! The log of a run: one JSON object a line.

use super::error::FitError;
use super::settings::Log;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};

/// The open log.
pub(super) struct LogFile<'a> {
    settings: &'a Log,
    file: File,
}

impl<'a> LogFile<'a> {
    /// Opens it at its end.
    pub fn open(settings: &'a Log) -> Result<Self, FitError> {
        let open = || {
            let mut file = OpenOptions::new().read(true).append(true).create(true).open(&settings.path)?;
            // A machine that went down while it wrote may have left a line without its end. What is left of it stays, on a line of its own.
            if file.metadata()?.len() > 0 {
                file.seek(SeekFrom::End(-1))?;
                let mut last = [0];
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    file.write_all(b"\n")?;
                }
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(LogFile { settings, file }),
            Err(source) => Err(FitError::Log { path: settings.path.clone(), source }),
        }
    }

    /// Whether steps have lines.
    pub fn steps(&self) -> bool {
        self.settings.steps
    }

    /// Adds a line, in one write: another process sees all of it or nothing.
    pub fn line(&mut self, event: &str, entries: Value) -> Result<(), FitError> {
        let mut line = format!("{{\"event\":{}", json!(event));
        for (name, value) in entries.as_object().into_iter().flatten() {
            line += &format!(",{}:{value}", json!(name));
        }
        line += "}\n";
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|source| FitError::Log { path: self.settings.path.clone(), source })
    }

    /// All lines are on disk: what a checkpoint counts as done has its lines.
    pub fn sync(&mut self) -> Result<(), FitError> {
        self.file.sync_data().map_err(|source| FitError::Log { path: self.settings.path.clone(), source })
    }
}
