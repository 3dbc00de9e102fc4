using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace AiFabric.Cluster.Tests.Operator;

/// <summary>Makes the local API server refuse writes, as a quota or an admission policy does.</summary>
internal sealed class WritePolicy : IStartupFilter
{
    /// <summary>A part of the paths to which nothing may be written; null for none.</summary>
    public string? Forbidden { get; set; }

    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(AnswerAsync);
        next(app);
    };

    private Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        bool isRefused = Forbidden is { } part && !HttpMethods.IsGet(context.Request.Method)
            && context.Request.Path.Value?.Contains(part, StringComparison.Ordinal) == true;
        if (!isRefused)
            return next(context);
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(
            """{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"exceeded quota: team"}""");
    }
}
