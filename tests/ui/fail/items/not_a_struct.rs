fn main() {}

mod case1 {
    flow_runtime::flow! {
        pub type Event = e3 : gggg
    }
}

mod case2 {
    flow_runtime::flow! {
        pub enum Event { e3 : gggg }
    }
}
