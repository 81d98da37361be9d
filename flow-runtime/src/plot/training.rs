//! How a fit went: losses and learning rate over the epochs.

use super::canvas::{Anchor, Canvas, Pen, corners};
use super::colour::{BLACK, FAINT, INK, SERIES};
use super::figure::{Panel, TITLE_SIZE};
use super::parts::{self, Entry};
use super::{Axis, PlotError, Rect, finite};
use crate::trainers::History;

const PLOT: Rect = Rect { x: 50.0, y: 8.0, w: 300.0, h: 150.0 };
/// The plot of the rate below that of the losses.
const RATE: Rect = Rect { x: 50.0, y: 166.0, w: 300.0, h: 55.0 };
const TITLE_HEIGHT: f64 = 16.0;
const BELOW: f64 = 36.0;
/// A loss axis that would give its best tenth to nine tenths of the epochs is cut above them.
const TALL: f64 = 5.0;

/// Training and validation losses by epoch, the epoch whose weights were kept, and the learning rate.
///
/// Where the first epochs are far above all others, the axis of the losses is cut so that the others are seen; an arrow in the legend says so.
#[must_use = "a panel is drawn by `save`, `png` or in a `Figure`"]
pub struct TrainingCurves {
    title: String,
    label: String,
    training: Vec<[f64; 2]>,
    validation: Vec<[f64; 2]>,
    rate: Vec<[f64; 2]>,
    best: usize,
}

impl TrainingCurves {
    /// The curves of a fit.
    pub fn new(history: &History) -> Self {
        let column = |value: &dyn Fn(usize) -> Option<f64>| {
            (0..history.epochs.len()).filter_map(|i| value(i).map(|v| [i as f64 + 1.0, v])).collect::<Vec<_>>()
        };
        Self {
            title: String::new(),
            label: "negative log-likelihood (nats)".into(),
            training: column(&|i| Some(history.epochs[i].training)),
            validation: column(&|i| history.epochs[i].validation),
            rate: column(&|i| Some(history.epochs[i].rate)),
            best: history.best + 1,
        }
    }

    /// A line above the panel.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Labels the loss, where it is no negative log-likelihood.
    pub fn loss_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    fn check(&self) -> Result<(), PlotError> {
        if self.training.is_empty() {
            return Err(PlotError::Option {
                what: "the number of epochs of the history",
                given: "0".into(),
                wanted: "at least one finished epoch is needed",
            });
        }
        finite("training loss", self.training.iter().flatten(), 2)?;
        finite("validation loss", self.validation.iter().flatten(), 2)?;
        finite("rate", self.rate.iter().flatten(), 2)
    }

    /// The axis of the losses, and whether it leaves some out.
    fn losses(&self) -> (Axis, bool) {
        let mut values: Vec<f64> = self.training.iter().chain(&self.validation).map(|p| p[1]).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[0], values[values.len() - 1]);
        let usual = values[(values.len() * 9 / 10).min(values.len() - 1)];
        let cut = high - low > TALL * (usual - low) && usual > low;
        let top = if cut { usual + 0.5 * (usual - low) } else { high };
        // A flat curve still needs an axis.
        let margin = (0.05 * (top - low)).max(1e-6 * low.abs().max(1.0));
        (Axis::linear(&self.label, low - margin, top + margin), cut)
    }

    fn legend(&self) -> Vec<Entry> {
        let mut entries = vec![Entry::Line(SERIES[0], "training".into())];
        if !self.validation.is_empty() {
            entries.push(Entry::Line(SERIES[1], "validation".into()));
        }
        entries.push(Entry::Dashed(INK, format!("best epoch, {}", self.best)));
        if self.losses().1 {
            entries.push(Entry::Area([0; 4], "(↑ cut)".into()));
        }
        entries
    }

    fn top(&self) -> f64 {
        if self.title.is_empty() { 0.0 } else { TITLE_HEIGHT }
    }

    fn has_rate(&self) -> bool {
        self.rate.iter().all(|[_, rate]| *rate > 0.0)
    }

    fn height(&self) -> f64 {
        let lower = if self.has_rate() { RATE } else { PLOT };
        lower.y + lower.h + self.top()
    }
}

impl Panel for TrainingCurves {
    fn size(&self) -> [f64; 2] {
        let legend = if self.training.is_empty() { 0.0 } else { parts::legend_height(PLOT.w, &self.legend()) };
        [PLOT.x + PLOT.w + 12.0, self.height() + BELOW + legend]
    }

    fn draw(&mut self, canvas: &mut Canvas, area: Rect) -> Result<(), PlotError> {
        self.check()?;
        let down = |rect: Rect| Rect { x: area.x + rect.x, y: area.y + self.top() + rect.y, ..rect };
        let (plot, lower) = (down(PLOT), down(RATE));
        let centre = plot.x + 0.5 * plot.w;
        canvas.text([centre, area.y + 9.0], &self.title, TITLE_SIZE, Anchor::Centre, BLACK);
        let last = self.training.len() as f64;
        let x = Axis::linear("epoch", if last > 1.0 { 1.0 } else { 0.5 }, last.max(1.5));
        let (y, _) = self.losses();
        let best = x.position(self.best as f64);
        let kept = Pen::new(INK, 1.0).dashed(&[3.0, 2.0]);
        canvas.clipped(&corners(plot, false), |canvas| {
            for (t, _) in y.ticks(5).0 {
                canvas.line(&[plot.at([0.0, t]), plot.at([1.0, t])], &Pen::new(FAINT, 0.6));
            }
            canvas.line(&[plot.at([best, 0.0]), plot.at([best, 1.0])], &kept);
            for (curve, colour) in [(&self.training, SERIES[0]), (&self.validation, SERIES[1])] {
                let line: Vec<_> = curve.iter().map(|p| plot.at([x.position(p[0]), y.position(p[1])])).collect();
                canvas.line(&line, &Pen::new(colour, 1.5));
                if let [alone] = line[..] {
                    canvas.disk(alone, 2.0, colour);
                }
            }
        });
        parts::frame_with_ticks(canvas, plot, &x, Some(&y), [!self.has_rate(), true]);
        if self.has_rate() {
            let rates = self.rate.iter().map(|p| p[1]);
            let (low, high) = rates.fold((f64::INFINITY, 0.0f64), |(l, h), r| (l.min(r), h.max(r)));
            let rate = if high / low >= 8.0 {
                Axis::log("rate", low / 1.3, high * 1.3)
            } else {
                Axis::linear("rate", 0.0, 1.2 * high)
            };
            canvas.clipped(&corners(lower, false), |canvas| {
                canvas.line(&[lower.at([best, 0.0]), lower.at([best, 1.0])], &kept);
                let line: Vec<_> =
                    self.rate.iter().map(|p| lower.at([x.position(p[0]), rate.position(p[1])])).collect();
                canvas.line(&line, &Pen::new(SERIES[2], 1.5));
            });
            parts::frame_with_ticks(canvas, lower, &x, Some(&rate), [true, true]);
        }
        let below = area.y + self.height() + BELOW + 4.0;
        parts::legend(canvas, [centre, below], PLOT.w, &self.legend());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Figure;
    use super::*;
    use crate::trainers::Epoch;

    fn history(losses: &[f64]) -> History {
        let epoch = |loss: &f64| Epoch {
            training: *loss,
            validation: Some(loss + 0.2),
            rate: 0.01,
            gradient: 1.0,
            seconds: 1.0,
        };
        History { epochs: losses.iter().map(epoch).collect(), best: 3, ..History::default() }
    }

    #[test]
    fn curves_and_the_best_epoch_are_where_they_belong() {
        let losses: Vec<f64> = (0..60).map(|i| 1.0 + (-f64::from(i) / 20.0).exp()).collect();
        let panel = TrainingCurves::new(&history(&losses));
        let (y, cut) = panel.losses();
        assert!(!cut && y.low < 1.04 && y.high > 2.2);
        let plot = Rect { x: 6.0 + PLOT.x, y: 6.0 + PLOT.y, ..PLOT };
        let place = |epoch: f64, loss: f64| plot.at([(epoch - 1.0) / 59.0, y.position(loss)]);
        let canvas = Figure::new().panel(panel).render().unwrap();
        let near = |at: [f64; 2], colour: [u8; 4]| {
            (-2..=2).any(|d| canvas.colour_at([at[0], at[1] + 0.4 * f64::from(d)]) == Some(colour))
        };
        assert!(near(place(31.0, losses[30]), SERIES[0]));
        assert!(near(place(31.0, losses[30] + 0.2), SERIES[1]));
        let words: Vec<_> = canvas.words().collect();
        assert!(words.contains(&"best epoch, 4") && words.contains(&"epoch"), "{words:?}");
    }

    #[test]
    fn a_first_epoch_far_above_all_others_is_cut_and_said_so() {
        let mut losses: Vec<f64> = (0..60).map(|i| 1.0 + (-f64::from(i) / 20.0).exp()).collect();
        losses[0] = 1e4;
        let (y, cut) = TrainingCurves::new(&history(&losses)).losses();
        assert!(cut && y.high < 5.0);
    }

    #[test]
    fn what_cannot_be_drawn_is_an_error() {
        assert!(TrainingCurves::new(&history(&[])).png().unwrap_err().to_string().contains("epoch"));
        assert!(
            TrainingCurves::new(&history(&[1.0, f64::NAN]))
                .png()
                .unwrap_err()
                .to_string()
                .contains("training loss 1 is NaN")
        );
        assert!(TrainingCurves::new(&history(&[1.0])).png().is_ok(), "one epoch is a curve of one point");
    }
}
