//! Any dfdx module as one flat vector of numbers: what optimisers, checkpoints and best-weights restore work on.

use crate::module::Element;
use dfdx::nn::tensor_collection::{
    RecursiveWalker, TensorCollection, TensorOptions, TensorVisitor, ViewTensorMut, ViewTensorName, ViewTensorRef,
};
use dfdx::shapes::Shape;
use dfdx::tensor::{Cpu, CpuError, Gradients, Tensor};
use dfdx::tensor_ops::Device;

struct Values<E>(Vec<E>);

impl<E: Element> TensorVisitor<E, Cpu> for Values<E>
where
    Cpu: Device<E>,
{
    type Viewer = ViewTensorRef;
    type Err = CpuError;
    type E2 = E;
    type D2 = Cpu;
    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, Cpu>,
        t: &Tensor<S, E, Cpu>,
    ) -> Result<Option<Tensor<S, E, Cpu>>, CpuError> {
        if options.do_gradient_update {
            // Not `as_vec`, which panics on a tensor without elements.
            let start = self.0.len();
            self.0.resize(start + options.shape.num_elements(), E::default());
            t.copy_into(&mut self.0[start..]);
        }
        Ok(None)
    }
}

/// Appends the gradient of one tensor times `sign`, zero if it got none, and adds its squares.
fn append_gradient<S: Shape, E: Element>(
    Collect { gradients, sign, flat, squares }: &mut Collect<'_, E>,
    t: &Tensor<S, E, Cpu>,
) -> Result<(), CpuError> {
    flat.extend(gradients.get_or_alloc_mut(t)?.iter().map(|g| {
        *squares += g.widen() * g.widen();
        *g * *sign
    }));
    Ok(())
}

struct Collect<'a, E: Element> {
    gradients: &'a mut Gradients<E, Cpu>,
    sign: E,
    flat: Vec<E>,
    squares: f64,
}

impl<E: Element> TensorVisitor<E, Cpu> for Collect<'_, E>
where
    Cpu: Device<E>,
{
    type Viewer = ViewTensorRef;
    type Err = CpuError;
    type E2 = E;
    type D2 = Cpu;
    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, Cpu>,
        t: &Tensor<S, E, Cpu>,
    ) -> Result<Option<Tensor<S, E, Cpu>>, CpuError> {
        if options.do_gradient_update {
            append_gradient(self, t)?;
        }
        Ok(None)
    }
}

struct Replace<'a, E>(&'a [E]);

impl<E: Element> TensorVisitor<E, Cpu> for Replace<'_, E>
where
    Cpu: Device<E>,
{
    type Viewer = ViewTensorMut;
    type Err = CpuError;
    type E2 = E;
    type D2 = Cpu;
    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, Cpu>,
        t: &mut Tensor<S, E, Cpu>,
    ) -> Result<Option<Tensor<S, E, Cpu>>, CpuError> {
        if options.do_gradient_update {
            let count = options.shape.num_elements();
            let (own, rest) = self.0.split_at_checked(count).ok_or(CpuError::WrongNumElements)?;
            t.copy_from(own);
            self.0 = rest;
        }
        Ok(None)
    }
}

struct Names(Vec<(String, usize)>);

impl<E: Element> TensorVisitor<E, Cpu> for Names
where
    Cpu: Device<E>,
{
    type Viewer = (ViewTensorRef, ViewTensorName);
    type Err = CpuError;
    type E2 = E;
    type D2 = Cpu;
    fn visit<S: Shape>(
        &mut self,
        options: TensorOptions<S, E, Cpu>,
        (_, name): (&Tensor<S, E, Cpu>, String),
    ) -> Result<Option<Tensor<S, E, Cpu>>, CpuError> {
        if options.do_gradient_update {
            self.0.push((name, options.shape.num_elements()));
        }
        Ok(None)
    }
}

/// Copies all trainable numbers of a module, tensor after tensor.
///
/// # Errors
/// The device fails.
pub fn flat_values<E: Element, M: TensorCollection<E, Cpu>>(model: &M) -> Result<Vec<E>, CpuError>
where
    Cpu: Device<E>,
{
    let mut values = Values(Vec::new());
    M::iter_tensors(&mut RecursiveWalker { m: model, f: &mut values })?;
    Ok(values.0)
}

/// Collects the gradients of all trainable numbers, in the same order; zero where a tensor got none.
///
/// # Errors
/// The device fails.
pub fn flat_gradient<E: Element, M: TensorCollection<E, Cpu>>(
    model: &M,
    gradients: &mut Gradients<E, Cpu>,
) -> Result<Vec<E>, CpuError>
where
    Cpu: Device<E>,
{
    Ok(collect_gradient(model, gradients, E::narrow(1.0), Vec::new())?.0)
}

/// Collects the gradients of all trainable numbers times `sign` into `flat`, whatever it held, and computes their norm,
/// in one pass.
pub(super) fn collect_gradient<E: Element, M: TensorCollection<E, Cpu>>(
    model: &M,
    gradients: &mut Gradients<E, Cpu>,
    sign: E,
    mut flat: Vec<E>,
) -> Result<(Vec<E>, f64), CpuError>
where
    Cpu: Device<E>,
{
    flat.clear();
    let mut collect = Collect { gradients, sign, flat, squares: 0.0 };
    M::iter_tensors(&mut RecursiveWalker { m: model, f: &mut collect })?;
    Ok((collect.flat, collect.squares.sqrt()))
}

/// Sets all trainable numbers of a module, in the same order.
///
/// # Errors
/// There are too few numbers.
pub fn set_flat_values<E: Element, M: TensorCollection<E, Cpu>>(model: &mut M, flat: &[E]) -> Result<(), CpuError>
where
    Cpu: Device<E>,
{
    M::iter_tensors(&mut RecursiveWalker { m: model, f: &mut Replace(flat) })?;
    Ok(())
}

/// Lists name and length of each trainable tensor, in the same order.
///
/// # Errors
/// The device fails.
pub fn tensor_names<E: Element, M: TensorCollection<E, Cpu>>(model: &M) -> Result<Vec<(String, usize)>, CpuError>
where
    Cpu: Device<E>,
{
    let mut names = Names(Vec::new());
    M::iter_tensors(&mut RecursiveWalker { m: (model, String::new()), f: &mut names })?;
    Ok(names.0)
}
