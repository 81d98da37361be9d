//! A row of the table as a value, and what its chain gives in either number type.

use flow_runtime::kernels::{Coordinates, Cotangents, Job, Number, Program, RowFault, Wanted};
use flow_runtime::layers::{Chain, Fault, Letter};
use flow_runtime::manifolds::Geometry;
use flow_runtime::numeric::Scalar;
use flow_runtime::testing::{self, laws};

/// A chain on a manifold.
pub struct Subject {
    program: &'static Program,
    pub geometry: Geometry,
    pub chain: &'static Chain,
    pub dim: usize,
    pub embed: usize,
    pub params: usize,
    pub letters: Vec<Letter>,
}

/// The numbers of a flow. Layers are computed in `f64` whatever they are: in `f32` what goes into a chain and what comes out of it is rounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numbers {
    F64,
    F32,
}

impl Numbers {
    pub fn name(self) -> &'static str {
        match self {
            Numbers::F64 => f64::NAME,
            Numbers::F32 => f32::NAME,
        }
    }

    fn round(self, number: f64) -> f64 {
        match self {
            Numbers::F64 => number,
            Numbers::F32 => f32::hold(number).widen(),
        }
    }

    fn rounded(self, numbers: &[f64]) -> Vec<f64> {
        numbers.iter().map(|number| self.round(*number)).collect()
    }
}

/// Cotangents of where a walk ends and of its log-determinant.
pub struct Cotangent {
    pub point: Vec<f64>,
    pub log_det: f64,
}

/// A walk along a chain in embedded coordinates, with the gradients asked for: by the point, by the parameters.
pub struct Walk {
    pub point: Vec<f64>,
    pub log_det: f64,
    pub fault: Option<Fault>,
    pub gradients: Vec<[Vec<f64>; 2]>,
}

/// The log-density at an intrinsic point, its gradients by the point and by the parameters, and the base point.
pub struct Density {
    pub log_prob: f64,
    pub gradients: [Vec<f64>; 2],
    pub base: Vec<f64>,
    pub fault: Option<Fault>,
}

impl Subject {
    /// The one chain of a flow.
    pub fn of(program: &'static Program) -> Subject {
        let block = &program.blocks[0];
        assert_eq!(program.blocks.len(), 1, "a row of the table has one manifold");
        Subject {
            program,
            geometry: block.geometry,
            chain: &block.chain,
            dim: program.dim,
            embed: program.embed,
            params: block.chain.params(),
            letters: block.chain.letters(),
        }
    }

    /// The same for the laws that come with the runtime.
    pub fn laws(&self) -> laws::Subject<'static> {
        laws::Subject::new(self.geometry, self.chain)
    }

    /// Whether points are shares of a whole.
    pub fn is_simplex(&self) -> bool {
        matches!(self.geometry, Geometry::Simplex { .. })
    }

    /// Whether a letter of the chain has this name.
    pub fn has(&self, name: &str) -> bool {
        self.letters.iter().any(|letter| letter.name == name)
    }

    /// Base coordinates to embedded ones.
    pub fn from_base(&self, base: &[f64]) -> Vec<f64> {
        fill(self.embed, |x| self.geometry.from_base(base, x))
    }

    /// What a user gives in embedded coordinates, on the manifold.
    pub fn project(&self, given: &[f64]) -> Vec<f64> {
        fill(self.embed, |x| self.geometry.project(given, x))
    }

    /// Intrinsic coordinates of an embedded point.
    pub fn intrinsic(&self, point: &[f64]) -> Vec<f64> {
        fill(self.dim, |x| self.geometry.intrinsic(point, x, &mut 0.0))
    }

    /// Where a walk leads, and the gradients for these cotangents.
    pub fn walk(&self, numbers: Numbers, params: &[f64], start: &[f64], inverse: bool, asked: &[Cotangent]) -> Walk {
        let params = numbers.rounded(params);
        let walked = testing::Walk::new(self.chain, &params, &numbers.rounded(start), inverse);
        let gradients = asked.iter().map(|asked| {
            let mut cot = numbers.rounded(&asked.point);
            // Layers may change what a walk left on their way back.
            let by_params = walked.clone().pull_params(self.chain, &params, &mut cot, numbers.round(asked.log_det));
            [numbers.rounded(&cot), numbers.rounded(&by_params)]
        });
        Walk {
            gradients: gradients.collect(),
            point: numbers.rounded(&walked.point),
            log_det: numbers.round(walked.log_det),
            fault: walked.fault,
        }
    }

    /// The density at a point, with its gradients.
    pub fn density(&self, numbers: Numbers, params: &[f64], intrinsic: &[f64]) -> Density {
        let (on, params, given) = (self.geometry, numbers.rounded(params), numbers.rounded(intrinsic));
        let mut log_prob = 0.0;
        // A flow keeps the embedded points of a block in its own numbers: networks read them.
        let point = numbers.rounded(&fill(self.embed, |x| on.embed(&given, x, &mut log_prob)));
        let mut walked = testing::Walk::new(self.chain, &params, &point, true);
        log_prob = numbers.round(log_prob) + walked.log_det + on.log_reference(&walked.point);
        let mut cot = fill(self.embed, |cot| on.log_reference_vjp(&walked.point, 1.0, cot));
        let base = fill(self.dim, |base| on.to_base(&walked.point, base));
        let by_params = walked.pull_params(self.chain, &params, &mut cot, 1.0);
        let cot = numbers.rounded(&cot);
        let by_point = fill(self.dim, |by_point| on.embed_vjp(&given, &cot, 1.0, by_point));
        Density {
            log_prob: numbers.round(log_prob),
            gradients: [numbers.rounded(&by_point), numbers.rounded(&by_params)],
            base: numbers.rounded(&base),
            fault: walked.fault,
        }
    }

    /// What a flow of `f32` gives at points, row after row: log-densities, their derivatives by the points, and by the parameters those of
    /// their sum.
    pub fn flow_of_f32(&self, params: &[f64], points: &[f64]) -> Result<[Vec<f64>; 3], RowFault> {
        let narrow = |numbers: &[f64]| numbers.iter().map(|x| f32::narrow(*x)).collect::<Vec<f32>>();
        let widen = |numbers: &[f32]| numbers.iter().map(|x| x.widen()).collect::<Vec<f64>>();
        let (weights, points) = (narrow(params), narrow(points));
        let coordinates = Coordinates::Intrinsic;
        let job = Job { weights: &weights, features: &[], feature_count: 0, repeat: 1, coordinates, pool: None };
        let mut log_prob = vec![f32::NAN; points.len() / self.dim];
        let cot = Cotangents { log_prob: &vec![1.0; log_prob.len()], penalties: &[], base: &[] };
        let wanted = Wanted { features: false, points: true };
        let pulled = f32::evaluate_vjp(self.program, job, wanted, 0..1, &points, cot, &mut log_prob)?;
        Ok([widen(&log_prob), widen(&pulled.points), widen(&pulled.weights)])
    }
}

fn fill(n: usize, write: impl FnOnce(&mut [f64])) -> Vec<f64> {
    let mut numbers = vec![0.0; n];
    write(&mut numbers);
    numbers
}
