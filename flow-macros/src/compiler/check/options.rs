//! The options of layers, their values, and the rules between them.

use super::super::ast::{Chosen, Setting, Written};
use super::super::diagnostics::{self as say, Diagnostics};
use super::super::table;
use super::chains::Defaults;
use std::collections::HashSet;

/// Every option belongs to a letter of its word, is written once, and has a value it takes.
pub(super) fn known_options(
    word: &str,
    rows: &[&'static table::Letter],
    settings: &[Setting],
    all_letters_known: bool,
    errors: &mut Diagnostics,
) {
    let mut seen = HashSet::new();
    for setting in settings {
        let Setting { name, value } = setting;
        let text = name.to_string();
        if !seen.insert(text.clone()) {
            errors.report(name.span(), say::option_twice(&text));
        }
        let owners: Vec<_> = rows.iter().filter_map(|row| Some((row.letter, row.option(&text)?))).collect();
        if owners.is_empty() && all_letters_known {
            errors.report(name.span(), say::unknown_option(&text, word, rows));
        }
        if let Written::Bare(bare) = &value.value {
            let kind = owners.first().map(|(_, option)| option.kind);
            let of_texts = kind.is_none_or(|kind| {
                use table::Kind::{Choice, Letters, Widths};
                matches!(kind, Choice(_) | Letters { .. } | Widths)
            });
            let message = match owners.first() {
                Some((letter, option)) if !of_texts => say::wrong_value(*letter, option, bare),
                _ => say::quotes_missing(&text, bare, kind),
            };
            errors.report(value.span, message);
            continue;
        }
        // Letters of one word may take different values of an option; the first that does not take it is named.
        let refuses = |(_, option): &&(char, &'static table::Opt)| encode(option, setting).is_none();
        if let Some((letter, option)) = owners.iter().find(refuses) {
            errors.report(value.span, say::wrong_value(*letter, option, &value.text));
        }
    }
}

fn encode(option: &table::Opt, setting: &Setting) -> Option<u128> {
    option.kind.encode(setting.value.value()?)
}

/// The options of a letter in a word: the defaults of the whole notation, then the word's own, which override them.
pub(super) fn options(
    row: &'static table::Letter,
    own: &[Setting],
    defaults: &Defaults,
    told: &mut HashSet<*const Setting>,
    errors: &mut Diagnostics,
) -> Vec<Chosen> {
    let defaults = defaults.iter().filter(|(other, _)| other.letter == row.letter).flat_map(|(_, settings)| *settings);
    let overridden = |setting: &&Setting| own.iter().any(|other| other.name == setting.name);
    let written: Vec<&Setting> = defaults.filter(|setting| !overridden(setting)).chain(own).collect();
    rules(row, &written, told, errors);
    let chosen = |setting: &&Setting| {
        let option = row.option(&setting.name.to_string())?;
        Some(Chosen { option, span: setting.name.span(), code: encode(option, setting)? })
    };
    written.iter().filter_map(chosen).collect()
}

/// Reports options that break the rules between options.
fn rules(row: &table::Letter, written: &[&Setting], told: &mut HashSet<*const Setting>, errors: &mut Diagnostics) {
    let setting = |name: &str| written.iter().rev().copied().find(|setting| setting.name == name);
    let value = |name: &str| {
        let Some(option) = row.option(name) else { return f64::NAN };
        let written = setting(name).map_or(Some(option.default), |setting| setting.value.value());
        written.map_or(f64::NAN, |value| option.number(value))
    };
    let holds = |(name, test): &(&str, table::Test)| {
        let default = row.option(name).map_or(f64::NAN, |option| option.number(option.default));
        test.holds(value(name), default, value)
    };
    let shown = |name: &str| {
        let default = || row.option(name).map(|option| option.default.to_string()).unwrap_or_default();
        setting(name).map_or_else(default, |setting| setting.value.text.clone())
    };
    let sound = |name: &str| {
        let Some((setting, option)) = setting(name).zip(row.option(name)) else { return true };
        encode(option, setting).is_some()
    };
    for rule in row.rules {
        let (name, test) = rule.needs;
        let involved: Vec<&str> = rule.when.iter().map(|(name, _)| *name).chain([name]).chain(test.other()).collect();
        // A value that does not fit has been reported.
        let applies = involved.iter().all(|name| sound(name)) && rule.when.iter().all(holds);
        if !applies || holds(&rule.needs) {
            continue;
        }
        let culprit = written.iter().rev().find(|setting| involved.iter().any(|name| setting.name == name));
        if let Some(culprit) = culprit.filter(|culprit| told.insert(**culprit)) {
            errors.report(culprit.name.span(), say::rule(row.letter, name, rule, shown));
        }
    }
}
