namespace AiFabric.Worker.Tools;

/// <summary>A piece of a call.</summary>
/// <param name="Index">Which of the answer's calls.</param>
/// <param name="Id">What a tool's answer refers to; on a call's first piece only.</param>
/// <param name="Name">The function; on a call's first piece only.</param>
/// <param name="Arguments">More of the arguments' JSON, as the model wrote it.</param>
internal sealed record CallPiece(int Index, string? Id, string? Name, string Arguments);

/// <summary>What a piece of an answer's text came to.</summary>
/// <param name="Text">Text that is of no call.</param>
/// <param name="Calls">At most one piece of each call.</param>
internal readonly record struct SortedPiece(string Text, IReadOnlyList<CallPiece> Calls);
