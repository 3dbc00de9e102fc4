namespace AiFabric.Cli;

/// <summary>Something the user can mend: printed as one line, exit code 1.</summary>
public sealed class CliException(string message) : Exception(message);
