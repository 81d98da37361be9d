//! Models of tables: columns in the user's units in, densities and samples in them out; what is measured, what is refused, what is kept in the file.

use dfdx::prelude::*;
use flow_runtime::data::{
    BadRows, Binding, Chunks, Convention, DataError, Degrees, Measure, Order, Radians, Scaling, Stream, Table,
    TableFile, Unseen,
};
use flow_runtime::rand::{SeedableRng, rngs::StdRng};
use flow_runtime::trainers::{Checkpointing, Control, Event};
use flow_runtime::{Built, Fit, Model, ModelError, flow};

flow! {
    /// One manifold of each kind.
    struct All = energy@e2 + direction@s2 + phase@s1 + share@i1[-3, 5] + mix@a2 : gt + f + m + r + w | cond 7, hidden 6
}

fn binding() -> Binding {
    Binding::new()
        .direction("direction", Convention::RaDec(Degrees), ["ra", "dec"])
        .scaled("energy", ["e", "f"], Scaling::LogStandardise)
        .angles("phase", Degrees, ["phase"])
        .manifold("share", ["share"])
        .manifold("mix", ["a", "b"])
        .feature("size", Scaling::Standardise)
        .category("sort", Unseen::Other { below: 3 })
        .circular("hour", Degrees)
        .feature("raw", Scaling::Identity)
}

/// Rows that are functions of their number.
fn table(rows: usize) -> Table {
    let of = |f: &dyn Fn(f64) -> f64| (0..rows).map(|row| f(row as f64)).collect::<Vec<_>>();
    Table::new("made")
        .with("ra", of(&|i| (37.0 * i) % 360.0))
        .and_then(|t| t.with("dec", of(&|i| 80.0 * (1.3 * i).sin())))
        .and_then(|t| t.with("e", of(&|i| (2.0 * (0.7 * i).cos()).exp())))
        .and_then(|t| t.with("f", of(&|i| 100.0 + 50.0 * (0.3 * i).sin())))
        .and_then(|t| t.with("phase", of(&|i| (11.0 * i) % 360.0)))
        .and_then(|t| t.with("share", of(&|i| 1.0 + 3.9 * (0.9 * i).sin())))
        .and_then(|t| t.with("a", of(&|i| 0.1 + 0.3 * (0.2 * i).sin().powi(2))))
        .and_then(|t| t.with("b", of(&|i| 0.2 + 0.3 * (0.4 * i).cos().powi(2))))
        .and_then(|t| t.with("size", of(&|i| 5.0 + (0.6 * i).cos())))
        .and_then(|t| t.with("hour", of(&|i| 15.0 * i)))
        .and_then(|t| t.with("raw", of(&|i| 0.01 * i)))
        .and_then(|t| {
            t.with("sort", (0..rows).map(|i| if i == 5 { "rare" } else { ["1", "x"][i % 2] }).collect::<Vec<_>>())
        })
        .unwrap()
}

/// With weights that are not those of the start, and no steep maps.
fn model() -> Model<All> {
    let mut model = Model::<All>::prepare(binding(), &table(40)).unwrap();
    let weights: Vec<f64> =
        model.flow.flat_weights().iter().zip(0..).map(|(w, i)| w + 0.05 * (i as f64).sin()).collect();
    model.flow.set_flat_weights(&weights).unwrap();
    model
}

fn shifted(table: &Table, column: &str, by: f64) -> Table {
    table.names().fold(Table::new("shifted"), |out, name| match table.column(name).unwrap() {
        flow_runtime::data::Column::Numbers(numbers) if name == column => {
            out.with(name, numbers.iter().map(|x| x + by).collect::<Vec<_>>()).unwrap()
        }
        other => out.with(name, other.clone()).unwrap(),
    })
}

#[test]
fn densities_are_by_the_columns() {
    let (model, table) = (model(), table(40));
    let rows = model.rows::<8, 7>(&table).unwrap();
    let own = model.flow.given(&rows.features).unwrap().log_prob(&rows.points).unwrap().as_vec();
    let found = model.log_prob(&table).unwrap();
    // The derivative of the flow's coordinates by the columns, each of which has its own coordinate.
    let columns = ["e", "f", "dec", "ra", "phase", "share", "a", "b"];
    for row in 0..40 {
        let mut ln_det = 0.0;
        for (k, column) in columns[..6].iter().enumerate() {
            let h = 1e-5;
            let at = |by: f64| model.rows::<8, 7>(&shifted(&table, column, by)).unwrap().points[row][k];
            ln_det += ((at(h) - at(-h)) / (2.0 * h)).abs().ln();
        }
        assert!((found[row] - own[row] - ln_det).abs() < 1e-7, "{row}: {} {}", found[row] - own[row], ln_det);
    }
}

#[test]
fn samples_come_back_in_the_columns() {
    let (model, given) = (model(), table(6));
    let drawn = model.sample(&given, 50, &mut StdRng::seed_from_u64(3)).unwrap();
    assert_eq!(drawn.table.names().collect::<Vec<_>>(), ["ra", "dec", "e", "f", "phase", "share", "a", "b"]);
    let repeated = given.select(&(0..300).map(|i| i / 50).collect::<Vec<_>>());
    let both = ["size", "sort", "hour", "raw"]
        .into_iter()
        .fold(drawn.table.clone(), |table, name| table.with(name, repeated.column(name).unwrap().clone()).unwrap());
    for (row, (a, b)) in model.log_prob(&both).unwrap().iter().zip(&drawn.log_prob).enumerate() {
        assert!((a - b).abs() < 1e-8, "{row}: {a} {b}");
    }
    let within = |name: &str, low: f64, high: f64| {
        let column = drawn.table.numbers(name).unwrap();
        assert!(column.iter().all(|x| (low..=high).contains(x)), "{name}: {column:?}");
        // All of the range is used, not a part as of another unit.
        assert!(column.iter().any(|x| *x > low + 0.6 * (high - low)), "{name}");
    };
    within("ra", 0.0, 360.0);
    within("dec", -90.0, 90.0);
    within("phase", 0.0, 360.0);
    within("share", -3.0, 5.0);
    assert!(drawn.table.numbers("f").unwrap().iter().all(|x| *x > 0.0));
}

#[test]
fn what_is_measured_is_measured_on_the_training_part() {
    let (training, other) = (table(40), shifted(&table(40), "size", 3.0));
    let model = Model::<All>::prepare(binding(), &training).unwrap();
    let names = ["size", "sort = 1", "sort = x", "sort = other", "cos hour", "sin hour", "raw"];
    assert_eq!(model.preparation().feature_names(), names);
    assert_eq!(model.preparation().rows(), 40);
    let size = training.numbers("size").unwrap();
    let mean = size.iter().sum::<f64>() / 40.0;
    let deviation = (size.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 40.0).sqrt();
    for (table, by) in [(&training, 0.0), (&other, 3.0)] {
        for (row, f) in model.rows::<8, 7>(table).unwrap().features.iter().enumerate() {
            assert!((f[0] - (size[row] + by - mean) / deviation).abs() < 1e-12);
            let sort = if row == 5 { [0.0, 0.0, 1.0] } else { [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]][row % 2] };
            assert_eq!(f[1..4], sort);
            let hour = (15.0 * row as f64).to_radians();
            assert!((f[4] - hour.cos()).abs() < 1e-12 && (f[5] - hour.sin()).abs() < 1e-12);
            assert_eq!(f[6], 0.01 * row as f64);
        }
    }
    let points = model.rows::<8, 7>(&training).unwrap().points;
    for k in 0..2 {
        let mean = points.iter().map(|p| p[k]).sum::<f64>() / 40.0;
        let square = points.iter().map(|p| p[k] * p[k]).sum::<f64>() / 40.0;
        assert!(mean.abs() < 1e-12 && (square - 1.0).abs() < 1e-12, "{k}: {mean} {square}");
    }
    // In chunks, one after the other, and with bad rows between them, the same is measured.
    struct Parts(Vec<Table>);
    impl Chunks for Parts {
        type Chunk = Table;
        fn count(&self) -> usize {
            self.0.len()
        }
        fn read(&mut self, index: usize, _: usize, _: u64) -> Result<Table, DataError> {
            Ok(self.0[index].clone())
        }
    }
    let part = |rows: core::ops::Range<usize>| training.select(&rows.collect::<Vec<_>>());
    let bad = shifted(&part(0..2), "dec", 100.0);
    let mut parts = Parts(vec![part(0..17), bad, part(17..18), part(18..40)]);
    let (chunked, skipped) = Model::<All>::prepare_chunks(binding(), &mut parts, BadRows::Skip).unwrap();
    assert_eq!(skipped.rules.len(), 1);
    assert_eq!((chunked.preparation(), skipped.total()), (model.preparation(), 2));
}

/// One density in three charts: its logarithms differ by what the charts differ by.
#[test]
fn directions_are_the_same_in_all_conventions() {
    type Pdf = flow!(s2 : f);
    let angles: [[f64; 2]; 4] = [[0.4, 5.0], [1.5, 0.1], [3.0, 2.0], [1e-9, 1.0]];
    let flow: Built<Pdf, f64> = {
        let mut flow = Cpu::default().build_module::<Pdf, f64>();
        let weights: Vec<f64> = (0..flow.flat_weights().len()).map(|i| 0.5 * (i as f64 + 1.0).cos()).collect();
        flow.set_flat_weights(&weights).unwrap();
        flow
    };
    let by_area =
        flow.log_prob_embedded(&angles.map(|[t, p]| [t.sin() * p.cos(), t.sin() * p.sin(), t.cos()])).unwrap().as_vec();
    let check =
        |binding: Binding, names: &[&str], rows: Vec<Vec<f64>>, expected: &dyn Fn(usize) -> f64, tolerance: f64| {
            let table = names.iter().enumerate().fold(Table::new("sky"), |table, (k, name)| {
                table.with(*name, rows.iter().map(|row| row[k]).collect::<Vec<_>>()).unwrap()
            });
            let mut model = Model::<Pdf>::prepare(binding, &table).unwrap();
            model.flow = flow.clone();
            for (row, found) in model.log_prob(&table).unwrap().into_iter().enumerate() {
                assert!((found - expected(row)).abs() < tolerance, "{names:?} {row}: {found} {}", expected(row));
            }
        };
    let degree = 1f64.to_radians().ln();
    let own = |row: usize| by_area[row] + angles[row][0].sin().max(1e-7).ln();
    let vectors = angles.iter().map(|[t, p]| vec![t.sin() * p.cos(), t.sin() * p.sin(), t.cos()]).collect();
    check(Binding::new().vector("s2", ["x", "y", "z"]), &["x", "y", "z"], vectors, &|row| by_area[row], 1e-9);
    for (convention, turn) in [
        (Convention::ZenithAzimuth(Radians), 0.0),
        (Convention::ZenithAzimuth(Degrees), 2.0 * degree),
        (Convention::RaDec(Degrees), 2.0 * degree),
        (Convention::LatLon(Radians), 0.0),
    ] {
        let rows: Vec<Vec<f64>> = angles.iter().map(|angles| convention.from_sphere(*angles).to_vec()).collect();
        let bound = Binding::new().direction("s2", convention, ["u", "v"]);
        check(bound.clone(), &["u", "v"], rows.clone(), &|row| own(row) + turn, 1e-8);
        check(bound.measure(Measure::Area), &["u", "v"], rows, &|row| by_area[row], 1e-8);
    }
    let rows: Vec<Vec<f64>> = angles.iter().map(|angles| angles.map(f64::to_degrees).to_vec()).collect();
    let bound = Binding::new().angles("0", Degrees, ["t", "p"]);
    check(bound, &["t", "p"], rows, &|row| own(row) + 2.0 * degree, 1e-8);
}

#[test]
fn a_scaled_density_has_the_integral_one() {
    let x: Vec<f64> = (0..200).map(|i| (1.0 + 0.4 * (i as f64).sin()).exp()).collect();
    let table = Table::new("x").with("x", x).unwrap();
    for scaling in [Scaling::Identity, Scaling::Standardise, Scaling::Log, Scaling::LogStandardise] {
        let binding = Binding::new().scaled("e1", ["x"], scaling);
        let mut model = Model::<flow!(e1 : gt)>::prepare(binding, &table).unwrap();
        model.initialize(&table, 1).unwrap();
        // Midpoints in the logarithm, where all of these are smooth; the normal ones have mass below 0, which the negative half sums.
        let step = 5e-3;
        let grid: Vec<f64> = (-4_000..4_000).map(|i| ((i as f64 + 0.5) * step).exp()).collect();
        let mut sum = 0.0;
        for sign in if matches!(scaling, Scaling::Log | Scaling::LogStandardise) { &[1.0][..] } else { &[1.0, -1.0] } {
            let points: Vec<f64> = grid.iter().map(|x| sign * x).collect();
            let log_prob = model.log_prob(&Table::new("grid").with("x", points).unwrap()).unwrap();
            sum += log_prob.iter().zip(&grid).map(|(l, x)| l.exp() * x * step).sum::<f64>();
        }
        assert!((sum - 1.0).abs() < 1e-6, "{scaling:?}: {sum}");
    }
}

#[test]
fn the_file_alone_gives_the_same_numbers_for_raw_rows() {
    let folder = tempfile::tempdir().unwrap();
    let (path, raw) = (folder.path().join("model.safetensors"), folder.path().join("rows.csv"));
    let (saved, rows) = (model(), table(40));
    saved.save(&path).unwrap();
    rows.write_csv(&raw).unwrap();
    let loaded = Model::<All>::load(&path).unwrap();
    assert_eq!(loaded.preparation(), saved.preparation());
    let of = |model: &Model<All>, table: &Table| -> Vec<u64> {
        model.log_prob(table).unwrap().into_iter().map(f64::to_bits).collect()
    };
    assert_eq!(of(&loaded, &Table::read(&raw).unwrap()), of(&saved, &rows));
    let drawn = |model: &Model<All>| model.sample(&rows, 3, &mut StdRng::seed_from_u64(1)).unwrap();
    assert_eq!(drawn(&loaded), drawn(&saved));
    // A flow reads its weights from the same file; a flow's own file has no columns; another flow is another.
    let mut flow = Cpu::seed_from_u64(3).build_module::<All, f64>();
    flow.load(&path).unwrap();
    assert_eq!(flow.flat_weights(), saved.flow.flat_weights());
    let bare = folder.path().join("flow.safetensors");
    flow.save(&bare).unwrap();
    let refused = |result: Result<Model<All>, flow_runtime::FileError>| match result {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it is no model"),
    };
    assert!(refused(Model::load(&bare)).contains("a flow without columns"));
    let Err(error) = Model::<flow!(e2 : gt)>::load(&path) else { panic!("it is another flow") };
    assert!(error.to_string().contains("another flow"));
    // Cut off or altered.
    let content = std::fs::read(&path).unwrap();
    std::fs::write(&bare, &content[..content.len() - 8]).unwrap();
    assert!(refused(Model::load(&bare)).contains("not a saved flow"));
    let entry = content.windows(7).position(|w| w == b"binding").unwrap();
    let mut altered = content.clone();
    altered[entry] = b'x';
    std::fs::write(&bare, altered).unwrap();
    let message = refused(Model::load(&bare));
    assert!(message.contains("its columns: ") && message.contains("binding"), "{message}");
    // What cannot be written leaves what was there.
    assert!(saved.save(folder.path().join("nowhere/model.safetensors")).is_err());
    saved.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap().len(), content.len());
}

#[test]
fn models_in_f32_see_the_same_columns() {
    let wide = model();
    let mut narrow = Model::<All, f32>::prepare(binding(), &table(40)).unwrap();
    assert_eq!(narrow.preparation(), wide.preparation());
    let weights: Vec<f32> = wide.flow.flat_weights().iter().map(|w| *w as f32).collect();
    narrow.flow.set_flat_weights(&weights).unwrap();
    for (a, b) in narrow.log_prob(&table(40)).unwrap().into_iter().zip(wide.log_prob(&table(40)).unwrap()) {
        assert!((a - b).abs() < 1e-2, "{a} {b}");
    }
}

#[test]
fn a_bad_row_is_named_or_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let model = model();
    let good = "ra,dec,e,f,phase,share,a,b,size,hour,raw,sort\n10,20,1,2,30,0,0.1,0.2,5,1,0,x\n";
    let cases = [
        (
            "10,95,1,2,30,0,0.1,0.2,5,1,0,x",
            "column `dec`: the value is `95`; the rule: a declination is from -90 to 90 degrees",
        ),
        ("10,20,0,2,30,0,0.1,0.2,5,1,0,x", "column `e`: the value is `0`; the rule: a number above 0"),
        ("10,20,1,2,30,5.5,0.1,0.2,5,1,0,x", "column `share`: the value is `5.5`; the rule: a point of `i1[-3, 5]`"),
        ("10,20,1,2,30,0,0.9,0.2,5,1,0,x", "column `a, b`: the value is `0.9, 0.2`; the rule: a point of `a2`"),
        ("10,20,1,2,30,0,0.1,0.2,n/a,1,0,x", "column `size`: the value is `n/a`; the rule: a finite number"),
        ("inf,20,1,2,30,0,0.1,0.2,5,1,0,x", "column `ra`: the value is `inf`; the rule: a finite number"),
        ("10,20,1,2,30,0,0.1,0.2,5,1,0,", "column `sort`: the value is ``; the rule: a category is not empty"),
    ];
    let mut all = good.to_string();
    for (row, rule) in cases {
        let content = format!("{good}{row}\n");
        std::fs::write(&path, content).unwrap();
        let message = model.log_prob(&Table::read(&path).unwrap()).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}, row 1, {rule}", path.display())), "{message}");
        all += &format!("{row}\n");
    }
    all += "10,91,1,2,30,0,0.1,0.2,5,1,0,x\n10,20,1,2,30,0,0.1,0.2,5,1,0,new\n";
    std::fs::write(&path, all).unwrap();
    let table = Table::read(&path).unwrap();
    let (kept, skipped) = model.check(&table, BadRows::Skip).unwrap();
    // The new category counts as other.
    assert_eq!(kept.origin_rows(), [0, 9]);
    let declination = ("dec".to_string(), "a declination is from -90 to 90 degrees".to_string());
    assert_eq!((skipped.total(), skipped.rules[&declination], skipped.rules.len()), (8, 2, 7));
    assert!(skipped.to_string().contains("2: column `dec`: a declination"));
    assert_eq!(model.log_prob(&kept).unwrap().len(), 2);
    assert!(matches!(model.check(&table, BadRows::Refuse), Err(ModelError::Data(DataError::Row(_)))));

    type Sort = flow!(e1 : t | cond 2);
    let sorts = Table::new("s").with("x", [1.0, 2.0, 3.0]).unwrap().with("k", ["b", "a", "b"]).unwrap();
    let binding = Binding::new().manifold("e1", ["x"]).category("k", Unseen::Refuse);
    let model = Model::<Sort>::prepare(binding, &sorts).unwrap();
    let new = Table::new("new").with("x", [1.0]).unwrap().with("k", ["c"]).unwrap();
    let message = model.log_prob(&new).unwrap_err().to_string();
    assert!(
        message.contains("value is `c`; the rule: one of the categories of the training part, `a`, `b`"),
        "{message}"
    );
}

#[test]
fn a_binding_that_does_not_fit_says_why() {
    let of = |binding: Binding| match Model::<All>::prepare(binding, &table(40)) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it fits"),
    };
    let partly = || {
        Binding::new()
            .direction("direction", Convention::RaDec(Degrees), ["ra", "dec"])
            .scaled("energy", ["e", "f"], Scaling::Identity)
            .angles("phase", Degrees, ["phase"])
            .manifold("share", ["share"])
    };
    let whole = || partly().manifold("mix", ["a", "b"]);
    let names = "`energy@e2`, `direction@s2`, `phase@s1`, `share@i1[-3, 5]`, `mix@a2`";
    for (binding, told) in [
        (partly().manifold("mixture", ["a", "b"]), format!("there is no manifold `mixture`: there are {names}")),
        (partly(), "`mix@a2` has no columns".into()),
        (whole().manifold("4", ["raw", "hour"]), "`4` is bound twice".into()),
        (partly().manifold("mix", ["a"]), "`a2` takes 2 columns here, 1 are bound (a)".into()),
        (partly().manifold("mix", ["a", "e"]), "column `e` is bound to two coordinates".into()),
        (
            partly().scaled("mix", ["a", "b"], Scaling::Log),
            "a scaling is of Euclidean coordinates, this is `a2`".into(),
        ),
        (partly().angles("mix", Degrees, ["a", "b"]), "angles are of circles and spheres".into()),
        (
            partly().direction("mix", Convention::LatLon(Degrees), ["a", "b"]),
            "a convention of directions is of `s2`".into(),
        ),
        (Binding::new().vector("energy", ["e", "f"]), "vectors are of circles, spheres and simplices".into()),
        (whole(), "it is given 7 features (`cond 7`), and none are bound".into()),
        (
            whole().feature("size", Scaling::Identity).category("sort", Unseen::Refuse),
            "the columns bound make 4: `size` 1, `sort` 3; write `cond 4`".into(),
        ),
        (whole().feature("sizes", Scaling::Identity), "made: column `sizes`: there is no such column".into()),
    ] {
        let message = of(binding);
        assert!(message.contains(&told), "{message}\n{told}");
    }
    type Twins = flow!(e1 + e1 : t + t);
    let table = Table::from_rows("t", ["x", "y"], &[[1.0, 1.0], [2.0, 1.0]]).unwrap();
    let prepared =
        |binding: Binding| Model::<Twins>::prepare(binding, &table).map(|_| ()).map_err(|error| error.to_string());
    assert!(
        prepared(Binding::new().manifold("e1", ["x"]))
            .unwrap_err()
            .contains("there are 2 manifolds `e1`: say which by its place, [0, 1]")
    );
    prepared(Binding::new().manifold("1", ["x"]).manifold("0", ["y"])).unwrap();
    let constant = prepared(Binding::new().scaled("0", ["y"], Scaling::Standardise).manifold("1", ["x"])).unwrap_err();
    assert!(constant.contains("column `y`: it is the same in all rows"), "{constant}");
    let none = Table::from_rows::<2>("t", ["x", "y"], &[]).unwrap();
    let binding = Binding::new().manifold("1", ["x"]).manifold("0", ["y"]);
    assert!(Model::<Twins>::prepare(binding.clone(), &none).err().unwrap().to_string().contains("there are no rows"));
    let model = Model::<Twins>::prepare(binding, &table).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    assert!(model.sample(&table, 1, &mut rng).unwrap_err().to_string().contains("given nothing: write `None`"));
    assert_eq!(model.sample(None, 5, &mut rng).unwrap().table.len(), 5);
    assert!(model.rows::<3, 0>(&table).unwrap_err().to_string().contains("the flow has 2 and 0"));
}

flow! {
    struct Line = e1 : t | cond 2, hidden 4
}

/// A table in a file, read in shuffled chunks, has the rows of the table in memory; a fit to it that was paused goes on as if it had not been.
#[test]
fn a_file_is_a_stream_that_fits_can_stop_and_resume() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    let mut text = String::from("y,x,k\n");
    for i in 0..230 {
        let x = (0.37 * i as f64).sin();
        text += &match i {
            100 => "oops,0,a\n".into(),
            _ => format!("{},{x},{}\n", x * x + 0.1 * (i as f64).cos(), if i % 3 == 0 { "a" } else { "b" }),
        };
    }
    std::fs::write(&path, text).unwrap();
    let binding = Binding::new().scaled("e1", ["y"], Scaling::Standardise).category("k", Unseen::Refuse);
    let file = || TableFile::open(&path, 20).unwrap();
    let prepared = || Model::<Line>::prepare_chunks(binding.clone(), &mut file(), BadRows::Skip).unwrap();
    let (mut straight, skipped) = prepared();
    assert_eq!(skipped.total(), 1);
    let order = Order { batch: 16, buffer: 60, shuffle: true };
    let stream = || straight_stream(&prepared().0, file(), order);
    let mut read = stream();
    read.start(1, 7).unwrap();
    let mut points: Vec<f64> = Vec::new();
    while let Some(batch) = read.next_batch().unwrap() {
        points.extend(batch.points.iter().map(|p| p[0]));
    }
    assert_eq!(read.source().skipped().total(), 1);
    let (good, _) = straight.check(&Table::read(&path).unwrap(), BadRows::Skip).unwrap();
    let mut all: Vec<f64> = straight.rows::<1, 2>(&good).unwrap().points.iter().map(|p| p[0]).collect();
    assert_ne!(points, all);
    points.sort_by(f64::total_cmp);
    all.sort_by(f64::total_cmp);
    assert_eq!(points, all);

    let fit = Fit { epochs: 3, validation: 0.0, seed: 5, ..Fit::default() };
    straight.fit_stream(&mut stream(), None, &fit).unwrap();
    let checkpointed = Fit { checkpoint: Some(Checkpointing::new(folder.path().join("run"))), ..fit };
    let mut paused = prepared().0;
    let history = paused
        .fit_stream(
            &mut stream(),
            None,
            checkpointed.watch(|event| match event {
                Event::Step { step: 20, .. } => Control::Pause,
                _ => Control::Continue,
            }),
        )
        .unwrap();
    assert!(history.paused);
    let mut resumed = prepared().0;
    resumed.fit_stream(&mut stream(), None, &checkpointed).unwrap();
    assert_ne!(paused.flow.flat_weights(), straight.flow.flat_weights());
    assert_eq!(resumed.flow.flat_weights(), straight.flow.flat_weights());
}

type LineStream = flow_runtime::data::Shuffled<flow_runtime::tabular::TableRows<1, 2, f64, TableFile>>;

fn straight_stream(model: &Model<Line>, file: TableFile, order: Order) -> LineStream {
    model.stream(file, order, BadRows::Skip).unwrap()
}
