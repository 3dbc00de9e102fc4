namespace AiFabric.Engine.Tokenization.Templates;

/// <summary>A chat template uses a construct outside the supported subset, or it refuses a conversation. The message names line and column, or the template's own reason.</summary>
public sealed class ChatTemplateException(string message) : Exception(message);
