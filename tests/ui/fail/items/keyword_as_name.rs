fn main() {}

mod case1 {
    flow_runtime::flow! {
        pub struct fn = e3 : gggg
    }
}
