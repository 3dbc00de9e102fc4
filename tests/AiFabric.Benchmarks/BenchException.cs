namespace AiFabric.Benchmarks;

/// <summary>A benchmark that could not be run to its end; the message says why and what helps.</summary>
public sealed class BenchException(string message) : Exception(message);
