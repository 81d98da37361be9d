//! A chain at one point, or at a pack of points, with everything its derivatives need: what tests look at.

use crate::layers::{Chain, Fault, PENALTIES, Prepared, Way};
use crate::numeric::WidePack;

/// A chain that was walked in one direction.
#[derive(Clone, Debug)]
pub struct Walk<R> {
    /// Prepared parameters.
    pub prepared: Vec<R>,
    /// What the way left for derivatives.
    pub scratch: Vec<R>,
    /// Where it led.
    pub point: Vec<R>,
    /// Its log-determinant.
    pub log_det: R,
    /// What went wrong first.
    pub fault: Option<Fault>,
    inverse: bool,
}

impl<R: WidePack> Walk<R> {
    /// Walks a chain from `start`: from target to base if `inverse`.
    pub fn new(chain: &Chain, params: &[R], start: &[R], inverse: bool) -> Walk<R> {
        let mut prepared = vec![R::zero(); chain.prepared()];
        chain.prepare(params, &mut prepared);
        Walk::prepared(chain, prepared, start, inverse)
    }

    /// Walks a chain with parameters that are prepared.
    pub fn prepared(chain: &Chain, prepared: Vec<R>, start: &[R], inverse: bool) -> Walk<R> {
        let scratch = vec![R::zero(); chain.scratch()];
        let mut walk = Walk { prepared, scratch, point: start.to_vec(), log_det: R::zero(), fault: None, inverse };
        let Walk { prepared, scratch, point, log_det, fault, .. } = &mut walk;
        let prepared = Prepared::Each(prepared);
        if inverse {
            let mut penalties = [R::zero(); PENALTIES];
            let all = 0..chain.len();
            chain.inverse(Way::Point, all, prepared, point, log_det, &mut penalties, scratch, fault);
        } else {
            chain.forward(prepared, point, log_det, scratch, fault);
        }
        walk
    }

    /// Takes the cotangent of the end back to the start, in place; returns cotangents of the prepared parameters.
    pub fn pull(&mut self, chain: &Chain, cot: &mut [R], cot_log_det: R) -> Vec<R> {
        self.pull_as(chain, self.inverse, cot, cot_log_det)
    }

    /// Takes the cotangent of the end of either direction back to its start: both maps leave what either derivative needs.
    pub fn pull_as(&mut self, chain: &Chain, inverse: bool, cot: &mut [R], cot_log_det: R) -> Vec<R> {
        let mut cot_prepared = vec![R::zero(); chain.prepared()];
        let prepared = Prepared::Each(&self.prepared);
        let scratch = &mut self.scratch;
        if inverse {
            let none = [R::zero(); PENALTIES];
            chain.inverse_vjp(Way::Point, prepared, scratch, cot, &cot_log_det, &none, &mut cot_prepared);
        } else {
            chain.forward_vjp(prepared, scratch, cot, &cot_log_det, &mut cot_prepared);
        }
        cot_prepared
    }

    /// The same as cotangents of the parameters.
    pub fn pull_params(&mut self, chain: &Chain, params: &[R], cot: &mut [R], cot_log_det: R) -> Vec<R> {
        let cot_prepared = self.pull(chain, cot, cot_log_det);
        let mut cot_params = vec![R::zero(); params.len()];
        chain.prepare_vjp(params, &self.prepared, &cot_prepared, &mut cot_params);
        cot_params
    }
}
