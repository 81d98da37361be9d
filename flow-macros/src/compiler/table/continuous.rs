//! Letters of many manifolds.

use super::options::*;
use super::*;

pub const C: Letter = Letter {
    letter: 'c',
    type_name: "ContinuousFlow",
    arguments: &[],
    on: &[E, S1, S2, S],
    parameters: Parameters::Always,
    options: &[
        Opt {
            name: "cnf_network_hidden_dims",
            kind: Kind::Widths,
            default: Value::Text("32"),
            doc: "hidden layers of the network that is the velocity field",
        },
        only("cnf_network_highway_mode", 0, "connections past that network's layers: none"),
        only("cnf_network_rank", -1, "rank of that network's matrices: the full one"),
        choice("solver", &["dopri5", "rk4"], "dopri5", "steps by error control, each point for itself, or equal steps"),
        positive("rtol", 1e-7, "error of a step of dopri5, relative to a coordinate"),
        positive("atol", 1e-7, "error of a step of dopri5 on top of that"),
        count("max_steps", MANY, 256, "most steps of dopri5"),
        count("steps", MANY, 32, "steps of rk4"),
        choice(
            "gradients",
            &["discrete", "adjoint"],
            "discrete",
            "derivatives of the steps taken, or by the adjoint equation",
        ),
        count("checkpoints", MANY, 4, "positions kept for the adjoint equation"),
        choice(
            "divergence",
            &["exact", "hutchinson"],
            "exact",
            "one tangent a coordinate, or an estimate from fixed directions",
        ),
        count("probes", MANY, 4, "directions of that estimate"),
    ],
    rules: &[
        of_dopri5("rtol"),
        of_dopri5("atol"),
        of_dopri5("max_steps"),
        Rule {
            when: &[("solver", Test::In(&[0]))],
            needs: ("steps", Test::Default),
            why: "dopri5 chooses its steps: give `rtol` and `atol`, or write `solver = \"rk4\"`",
        },
        Rule {
            when: &[("gradients", Test::In(&[0]))],
            needs: ("checkpoints", Test::Default),
            why: "discrete derivatives keep every step: leave it out, or write `gradients = \"adjoint\"`",
        },
        Rule {
            when: &[("divergence", Test::In(&[0]))],
            needs: ("probes", Test::Default),
            why: "the exact divergence has no probes: leave it out, or write `divergence = \"hutchinson\"`",
        },
    ],
    doc: "a continuous flow: the solution of a differential equation whose velocity field is a network",
};
