using System.Text;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Cluster.Tests.Gateway;

/// <summary>Ways in which a worker answers, well and badly.</summary>
internal static class Scripts
{
    public const string Body = """{"id":"c-1","object":"chat.completion","choices":[]}""";

    public const string FirstEvent = "data: {\"id\":\"c-1\",\"choices\":[{\"delta\":{\"content\":\"It was\"}}]}\n\n";

    public const string Done = "data: [DONE]\n\n";

    /// <summary>One whole answer.</summary>
    public static RequestDelegate Answer { get; } = context =>
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(Body);
    };

    /// <summary>Closes the connection before it sends anything.</summary>
    public static RequestDelegate Die { get; } = context =>
    {
        context.Abort();
        return Task.CompletedTask;
    };

    /// <summary>Refuses in OpenAI's shape.</summary>
    public static RequestDelegate Refuse(int status, string code) => context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync($$$"""{"error":{"message":"No.","type":"server_error","code":"{{{code}}}"}}""");
    };

    /// <summary>Sends one piece of an event stream after the other, each when its gate opens.</summary>
    public static RequestDelegate Stream(params (Task Gate, string Text)[] pieces) => async context =>
    {
        context.Response.ContentType = "text/event-stream";
        foreach ((Task gate, string text) in pieces)
        {
            await gate.WaitAsync(context.RequestAborted);
            await context.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(text), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    };

    /// <summary>Sends one event and half of another; when the gate opens it closes the connection.</summary>
    public static RequestDelegate DieInMidStream(Task gate) => async context =>
    {
        await Stream((Task.CompletedTask, FirstEvent), (Task.CompletedTask, "data: {\"half"))(context);
        await gate.WaitAsync(context.RequestAborted);
        context.Abort();
    };

    /// <summary>Sends one event and then nothing, until the caller leaves, which ends <paramref name="left"/>.</summary>
    public static RequestDelegate Stall(TaskCompletionSource left) => async context =>
    {
        await using CancellationTokenRegistration noted = context.RequestAborted.Register(left.SetResult);
        await Stream((Task.CompletedTask, FirstEvent))(context);
        await left.Task;
    };
}
