using Xunit;

// Tensor.TotalCount and libtorch's thread pool belong to the whole process.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
