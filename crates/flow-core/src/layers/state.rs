//! What the parameters of a layer are called where they are stored: the tensors of a state dict.

/// A tensor of a layer's parameters: its name in a state dict of jammy_flows, without the prefix of the layer, and its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTensor {
    /// The name.
    pub name: &'static str,
    /// Another name under which the same numbers are stored once more.
    pub copy: Option<&'static str>,
    /// The shape; its numbers are read row by row.
    pub shape: Vec<usize>,
}

impl StateTensor {
    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.shape.iter().product()
    }

    /// Tensors side by side in a flat parameter vector. Those without numbers are not stored and left out.
    ///
    /// ```
    /// # extern crate flow_core as flow_runtime;
    /// use flow_runtime::layers::StateTensor;
    ///
    /// let tensors = StateTensor::list([("offsets", &[2]), ("angle_pars", &[1, 0]), ("kde_means", &[1, 10, 2])]);
    /// assert_eq!(tensors.iter().map(|t| (t.name, t.numbers())).collect::<Vec<_>>(), [("offsets", 2), ("kde_means", 20)]);
    /// ```
    pub fn list<const N: usize>(tensors: [(&'static str, &[usize]); N]) -> Vec<StateTensor> {
        let all = tensors.into_iter().map(|(name, shape)| StateTensor { name, copy: None, shape: shape.to_vec() });
        all.filter(|tensor| tensor.numbers() > 0).collect()
    }
}
