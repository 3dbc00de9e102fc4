namespace AiFabric.Engine.Requests;

/// <summary>How busy an engine is, as of its last iteration.</summary>
/// <param name="Running">Requests that decode or prefill.</param>
/// <param name="Queued">Requests that wait for admission, preempted ones included.</param>
/// <param name="QueuedPromptTokens">Tokens of the waiting requests.</param>
/// <param name="TotalBlocks">Blocks of the key-value cache.</param>
/// <param name="FreeBlocks">Blocks that no running request holds; cached prefixes may lie in them.</param>
/// <param name="TpotAttainment">Fraction of tokens within the TPOT objective over the last minute; null without objective or traffic.</param>
public sealed record EngineLoad(int Running, int Queued, long QueuedPromptTokens, int TotalBlocks, int FreeBlocks, double? TpotAttainment);
