fn main() {}

mod case1 {
    flow_runtime::flow! {
        pub struct Event == e3 : gggg
    }
}

mod case2 {
    flow_runtime::flow! {
        pub struct Event<T> = e3 : gggg
    }
}

mod case3 {
    flow_runtime::flow! {
        pub struct Event: e3 : gggg
    }
}

mod case4 {
    flow_runtime::flow! {
        pub struct Event { e3 : gggg }
    }
}

mod case5 {
    flow_runtime::flow! {
        pub struct A = e3 : gggg; pub struct B = s2 : f;
    }
}
