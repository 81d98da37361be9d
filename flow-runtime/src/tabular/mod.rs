//! Models of tables: a flow with the columns it takes and how they are prepared, in one value and one file.

mod flows;
mod source;

pub use flows::{TableFlow, Tabular};
pub use source::TableRows;

use crate::data::{
    BadRows, Binding, Chunks, DataError, Fitter, Order, Parts, Plan, Preparation, Rows, Shuffled, Skipped, Stream,
    Table,
};
use crate::error::Error;
use crate::module::{Element, FileError};
use crate::trainers::{FitError, History, Trainer};
use rand::Rng;
use std::fmt;
use std::path::Path;

/// An error of a [`Model`]: of its data, its density, or its fit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// Of the data.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Of the density. Rows are those of the file, or of the table as it was made.
    #[error(transparent)]
    Density(#[from] Error),
    /// Of the fit. Rows are those of the table it was given.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// The header's entry that holds the preparation.
const ENTRY: &str = "preparation";

/// A flow with the columns it takes: raw rows of a table in, densities and samples in the units of the columns out.
///
/// `P` is what `flow!` wrote, `E` the number type of the flow. The flow itself is a field, for everything that is not here.
///
/// Densities are by the columns as they are bound: a scaling of coordinates, or degrees, is accounted for, so that models with different preparations can be
/// compared. On spheres they are by the angles, or by area ([`Binding::measure`]).
///
/// ```
/// use flow_runtime::data::{Binding, Scaling, Table, Unseen};
/// use flow_runtime::rand::{SeedableRng, rngs::StdRng};
/// use flow_runtime::{Fit, Model, flow};
///
/// flow! {
///     /// Weight given height and sort.
///     pub struct Weight = weight@e1 : gt | cond 3, hidden 8
/// }
///
/// let height: Vec<f64> = (0..300).map(|i| 10.0 + (i % 17) as f64).collect();
/// let sort: Vec<&str> = (0..300).map(|i| if i % 3 == 0 { "oak" } else { "fir" }).collect();
/// let weight: Vec<f64> = height.iter().zip(0..).map(|(h, i)| h * h + 5.0 * f64::sin(i as f64)).collect();
/// let table = Table::new("trees").with("height", height)?.with("sort", sort)?.with("weight", weight)?;
/// let (training, test) = table.split(0.2, 1)?;
///
/// let binding = Binding::new()
///     .scaled("weight", ["weight"], Scaling::Standardise)
///     .feature("height", Scaling::Standardise)
///     .category("sort", Unseen::Refuse);
/// let mut model = Model::<Weight>::prepare(binding, &training)?; // measured on the training part alone
/// model.initialize(&training, 1)?;
/// model.fit(&training, &Fit { epochs: 5, ..Fit::default() })?;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("weight.safetensors");
/// model.save(&path)?;
///
/// // The file alone is enough.
/// let model = Model::<Weight>::load(&path)?;
/// let log_prob = model.log_prob(&test)?; // by a unit of the column `weight`
/// let drawn = model.sample(&test, 10, &mut StdRng::seed_from_u64(1))?; // 10 for each row of the table
/// assert_eq!((log_prob.len(), drawn.table.numbers("weight")?.len()), (60, 600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Model<P: Tabular<E>, E: Element = f64> {
    /// The flow. It may be replaced by one of other weights.
    pub flow: P::Flow,
    plan: Plan,
}

impl<P: Tabular<E>, E: Element> fmt::Debug for Model<P, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("preparation", &self.plan.preparation).finish_non_exhaustive()
    }
}

/// Points drawn by a [`Model`].
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The columns of the manifolds, in the order they were bound. With features, those of the first row come first, then those of the second, and so on.
    pub table: Table,
    /// The log-density of each point, as [`Model::log_prob`] gives it.
    pub log_prob: Vec<f64>,
}

fn narrow<E: Element>(numbers: &[f64]) -> Vec<E> {
    numbers.iter().map(|x| E::narrow(*x)).collect()
}

/// The error of a density about the row of the table that the row of its argument was.
fn at_origin(error: Error, table: &Table) -> ModelError {
    match error.row().and_then(|row| table.origin_rows().get(row)) {
        Some(row) => error.at_row(*row).into(),
        None => error.into(),
    }
}

impl<P: Tabular<E>, E: Element> Model<P, E> {
    /// Binds columns and fits the preparation to the training part. The flow has the weights of seed 0.
    ///
    /// # Errors
    /// The binding does not fit the flow; a column is missing; a row breaks a rule; a column cannot be standardised.
    pub fn prepare(binding: Binding, training: &Table) -> Result<Self, ModelError> {
        let plan = Plan::unfitted(P::Flow::shape(), binding)?;
        let mut fitter = Fitter::new(&plan, BadRows::Refuse);
        fitter.add(&plan, training)?;
        Self::fitted(plan, fitter)
    }

    /// Prepares from a training part in chunks, which are read once, one after the other. Rows that are skipped have no
    /// part in it; their counts are returned.
    ///
    /// # Errors
    /// As [`prepare`](Model::prepare); a chunk cannot be read.
    pub fn prepare_chunks<S: Chunks<Chunk = Table>>(
        binding: Binding,
        training: &mut S,
        bad: BadRows,
    ) -> Result<(Self, Skipped), ModelError> {
        let plan = Plan::unfitted(P::Flow::shape(), binding)?;
        let mut fitter = Fitter::new(&plan, bad);
        for index in 0..training.count() {
            fitter.add(&plan, &training.read(index, 0, 0)?)?;
        }
        let skipped = fitter.skipped.clone();
        Ok((Self::fitted(plan, fitter)?, skipped))
    }

    fn fitted(plan: Plan, fitter: Fitter) -> Result<Self, ModelError> {
        Ok(Model { plan: plan.fit(fitter)?, flow: P::build(0)? })
    }

    /// The good rows of a table, by the rules that hold before anything is measured: of training parts, before [`prepare`](Model::prepare).
    ///
    /// ```
    /// use flow_runtime::data::{BadRows, Binding, Scaling, Table};
    /// use flow_runtime::{Model, flow};
    ///
    /// let table = Table::new("raw").with("x", ["1.5", "NA", "2.5", "", "-1"])?;
    /// let binding = Binding::new().scaled("e1", ["x"], Scaling::LogStandardise);
    /// let (good, skipped) = Model::<flow!(e1 : g)>::clean(&binding, &table, BadRows::Skip)?;
    /// assert_eq!((good.len(), skipped.total()), (2, 3));
    /// assert!(skipped.to_string().contains("2: column `x`: a finite number"));
    /// # Ok::<(), flow_runtime::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// The binding does not fit the flow; a column is missing; a row breaks a rule, and that is refused.
    pub fn clean(binding: &Binding, table: &Table, bad: BadRows) -> Result<(Table, Skipped), ModelError> {
        Ok(Plan::unfitted(P::Flow::shape(), binding.clone())?.good(table, bad)?)
    }

    /// The good rows of a table by all rules, also those of what was measured (known categories).
    ///
    /// # Errors
    /// A column is missing; a row breaks a rule, and that is refused.
    pub fn check(&self, table: &Table, bad: BadRows) -> Result<(Table, Skipped), ModelError> {
        Ok(self.plan.good(table, bad)?)
    }

    /// Returns what was bound and measured.
    pub fn preparation(&self) -> &Preparation {
        &self.plan.preparation
    }

    /// Rows of a table as the flow takes them: prepared features, and points in intrinsic coordinates. `N` and `C` are those of the flow.
    ///
    /// # Errors
    /// A column is missing; a row breaks a rule; `N` or `C` are others than the flow's.
    pub fn rows<const N: usize, const C: usize>(&self, table: &Table) -> Result<Rows<N, C, E>, ModelError> {
        source::same_counts::<N, C>(&self.plan)?;
        Ok(source::typed(&self.plan.rows(table, Parts::Both, BadRows::Refuse)?))
    }

    /// A stream of shuffled batches of a table in chunks, for fits to what does not fit into memory. It has its own copy of the preparation.
    ///
    /// ```
    /// use flow_runtime::data::{BadRows, Binding, Order, Scaling, Stream, TableFile};
    /// use flow_runtime::{Model, flow};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("points.csv");
    /// # std::fs::write(&path, "x,y\n1.5,2\n2.5,oops\n3.5,4\n0.5,9\n")?;
    /// let mut file = TableFile::open(&path, 2)?;
    /// let binding = Binding::new().scaled("e1", ["x"], Scaling::Standardise).feature("y", Scaling::Log);
    /// let (model, skipped) = Model::<flow!(e1 : g | cond 1)>::prepare_chunks(binding, &mut file, BadRows::Skip)?;
    /// let mut stream = model.stream::<1, 1, _>(file, Order { batch: 2, ..Order::default() }, BadRows::Skip)?;
    /// stream.start(0, 1)?;
    /// assert_eq!((skipped.total(), stream.next_batch()?.expect("3 good rows").len()), (1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// `N` or `C` are others than the flow's.
    pub fn stream<const N: usize, const C: usize, S: Chunks<Chunk = Table>>(
        &self,
        source: S,
        order: Order,
        bad: BadRows,
    ) -> Result<Shuffled<TableRows<N, C, E, S>>, ModelError> {
        Ok(Shuffled::new(TableRows::new(self.plan.clone(), source, bad)?, order))
    }

    /// Starts a fit near the data: see [`Flow::initialize_from`](crate::Flow::initialize_from).
    ///
    /// # Errors
    /// As [`log_prob`](Model::log_prob).
    pub fn initialize(&mut self, training: &Table, seed: u64) -> Result<(), ModelError> {
        let rows = self.plan.rows(training, Parts::Both, BadRows::Refuse)?;
        Ok(self.flow.table_initialize(&narrow(&rows.points), seed)?)
    }

    /// Maximum likelihood: by a [`Fit`](crate::Fit), or one with callbacks. Losses of the history are by the flow's own coordinates: they differ from densities by the
    /// columns by a number that does not depend on the weights. A log-mean (`poisson`) has no part in this.
    ///
    /// # Errors
    /// As [`log_prob`](Model::log_prob) and [`Fit::run`](crate::Fit::run). Rows of the fit's errors are those of the table.
    pub fn fit<'a>(&mut self, training: &Table, fit: impl Into<Trainer<'a>>) -> Result<History, ModelError> {
        let rows = self.plan.rows(training, Parts::Both, BadRows::Refuse)?;
        Ok(self.flow.table_fit(&narrow(&rows.features), &narrow(&rows.points), fit.into())?)
    }

    /// [`fit`](Model::fit) to a stream of batches ([`stream`](Model::stream)), of which one is held at a time, with a second stream for validation where there is one.
    ///
    /// # Errors
    /// As [`Fit::run_stream`](crate::Fit::run_stream); batches have other numbers of coordinates or features than the flow.
    pub fn fit_stream<'a, const N: usize, const C: usize, S: Stream<Batch = Rows<N, C, E>>>(
        &mut self,
        stream: &mut S,
        validation: Option<&mut S>,
        fit: impl Into<Trainer<'a>>,
    ) -> Result<History, ModelError> {
        source::same_counts::<N, C>(&self.plan)?;
        Ok(self.flow.table_fit_stream(stream, validation, fit.into())?)
    }

    /// ln p of each row, by the columns.
    ///
    /// # Errors
    /// The table is empty; a column is missing; a row breaks a rule; a value leaves the range of the numbers. [`check`](Model::check) leaves out what is bad.
    pub fn log_prob(&self, table: &Table) -> Result<Vec<f64>, ModelError> {
        let rows = self.plan.rows(table, Parts::Both, BadRows::Refuse)?;
        let found = self
            .flow
            .table_log_prob(&narrow(&rows.features), &narrow(&rows.points))
            .map_err(|error| at_origin(error, table))?;
        Ok(self.by_columns(&found, &rows.points))
    }

    fn by_columns(&self, log_prob: &[E], points: &[f64]) -> Vec<f64> {
        let points = points.chunks_exact(P::Flow::DIM);
        log_prob.iter().zip(points).map(|(own, point)| own.widen() + self.plan.log_det(point)).collect()
    }

    /// `n` points for each row of features in a table, or `n` in all for a flow without `cond`: `model.sample(None, n, rng)`. Only the columns of features
    /// are read.
    ///
    /// # Errors
    /// `n` is 0; there is no table for a flow with `cond`, or one for a flow without; a column is missing; a row breaks a rule; a value leaves the
    /// range of the numbers.
    pub fn sample<'a, G: Rng + ?Sized>(
        &self,
        given: impl Into<Option<&'a Table>>,
        n: usize,
        rng: &mut G,
    ) -> Result<Drawn, ModelError> {
        let given = given.into();
        let features = match (given, P::Flow::FEATURES) {
            (None, 0) => Vec::new(),
            (Some(table), 1..) => self.plan.rows(table, Parts::Features, BadRows::Refuse)?.features,
            (Some(_), 0) => {
                return Err(Error::argument("given", "the flow is given nothing: write `None`").into());
            }
            (None, _) => {
                return Err(Error::argument(
                    "given",
                    "the flow has `cond`: give a table with the columns of its features",
                )
                .into());
            }
        };
        let drawn = self.flow.table_sample(&narrow::<E>(&features), n, rng).map_err(|error| match given {
            Some(table) => at_origin(error, table),
            None => error.into(),
        })?;
        let points: Vec<f64> = drawn.points.iter().map(|x| x.widen()).collect();
        let mut table = Table::new("samples");
        for (name, column) in self.plan.columns(&points) {
            table = table.with(name, column)?;
        }
        Ok(Drawn { table, log_prob: self.by_columns(&drawn.log_prob, &points) })
    }

    /// Saves weights, binding and preparation as one safetensors file. [`Flow::load`](crate::Flow::load) reads its weights too.
    ///
    /// # Errors
    /// The file system refuses; a file that was there before is then still whole.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let text = serde_json::to_string(&self.plan.preparation)
            .map_err(|error| FileError::NotAFlow { path: path.into(), reason: error.to_string() })?;
        self.flow.table_save(path, (ENTRY, text))
    }

    /// Loads what [`save`](Model::save) wrote of a flow of the same structure and number type: raw rows then give the same numbers, bit by bit.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, holds another flow, or one without columns.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        let path = path.as_ref();
        let broken = |reason: String| FileError::NotAFlow { path: path.into(), reason };
        let mut flow = P::build(0).map_err(|error| broken(error.to_string()))?;
        let plan = flow.table_load(path, ENTRY, |entry| {
            let text = entry
                .ok_or("it holds a flow without columns: load it with `Flow::load`, or save it by `Model::save`")?;
            let preparation = serde_json::from_str(text).map_err(|error| format!("its columns: {error}"))?;
            Plan::fitted(P::Flow::shape(), preparation).map_err(|error| error.to_string())
        })?;
        Ok(Model { flow, plan })
    }
}
