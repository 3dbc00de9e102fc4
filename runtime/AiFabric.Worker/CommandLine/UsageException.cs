namespace AiFabric.Worker.CommandLine;

/// <summary>The command line or environment asks for something that cannot be: one line for the operator, exit code 2.</summary>
internal sealed class UsageException(string message) : Exception(message);
