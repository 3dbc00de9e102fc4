// Tensor.TotalCount and libtorch's thread pool belong to the whole process.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
