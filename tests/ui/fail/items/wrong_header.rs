fn main() {}

mod case1 {
    flow_runtime::flow! {
        #derive(Clone) pub struct Event = e3 : gggg
    }
}
